/** From steps to the kernels that do them: which arithmetic has an exact undo, and which operands it needs. */
import { decode } from "../../dtypes/convert.ts";
import { integerRange, type IntegerDType, type NumericArray } from "../../dtypes/dtype.ts";
import { noiseSource } from "../../random/noise.ts";
import { addCodec, type Deltas, lowRankDeltas, noiseDeltas, valueDeltas } from "../../reversible/add.ts";
import type { Codec } from "../../reversible/codec.ts";
import { mapCodec, type Preimages, preimagesOf, scaleMap } from "../../reversible/preimages.ts";
import {
  isReversibleFactor,
  scaleBfloat16Codec,
  scaleEachCodec,
  scaleFloat32Codec,
} from "../../reversible/scale.ts";
import type { AxisFactors, Delta, Step } from "../../step.ts";
import type { Entry } from "./record.ts";
import { axisOf, factorsOf, isHalf } from "./operands.ts";

/** A codec, and the bytes of the operands that it keeps if they are its own. */
export interface Kept {
  readonly codec: Codec;
  readonly bytes: number;
}

/** How to make one. */
export interface Making {
  /** Whether operands are copied, so that nobody can change them; else they are read where they are. */
  readonly own: boolean;
  /** Whether a scale parks one bit of every element, which is faster, or only where it decides. */
  readonly plane: boolean;
}

type Mapped = "int8" | "uint8" | "float16";

/** Tables by format and factor: they serve all parameters of a theater, opening and closing. Held weakly. */
const tables = new Map<string, WeakRef<Preimages>>();

/** More than theaters open at a time need. */
const MOST_TABLES = 16;

function tablesOf(dtype: Mapped, factor: number): Preimages {
  const key = `${dtype} ${factor}`;
  const known = tables.get(key)?.deref();
  if (known !== undefined) return known;
  const made = preimagesOf(dtype === "float16" ? 65536 : 256, scaleMap(dtype, factor));
  if (tables.size >= MOST_TABLES) tables.delete([...tables.keys()][0]!);
  tables.set(key, new WeakRef(made));
  return made;
}

function mapped(dtype: Mapped, factor: number): Codec {
  return mapCodec(
    () => tablesOf(dtype, factor),
    dtype === "float16" ? 2 : 1,
    (pattern) => {
      const value = dtype === "int8" ? (pattern << 24) >> 24 : pattern;
      const [smallest, largest] = integerRange(dtype as IntegerDType);
      return `${dtype} cannot hold ${factor * value}: its values are ${smallest} to ${largest}`;
    },
  );
}

function scaleAlong({ parameter }: Entry, by: AxisFactors, { own, plane }: Making): Kept | undefined {
  const factors = own ? by.factors.slice() : by.factors;
  if (!factors.every(isReversibleFactor)) return undefined;
  const { inner, length } = axisOf(parameter.shape, by.axis);
  const fill = (first: number, out: Float32Array): void => {
    for (let i = 0; i < out.length; i++) out[i] = factors[Math.floor((first + i) / inner) % length]!;
  };
  let [smallest, largest] = [Infinity, 0];
  for (const factor of factors) {
    smallest = Math.min(smallest, Math.abs(factor));
    largest = Math.max(largest, Math.abs(factor));
  }
  return { codec: scaleEachCodec(fill, smallest, largest, plane), bytes: factors.byteLength };
}

function scaleBy(entry: Entry, by: number, { plane }: Making): Codec | undefined {
  const { dtype } = entry;
  if (dtype === "int8" || dtype === "uint8") return mapped(dtype, by);
  const factor = Math.fround(by);
  if (!isReversibleFactor(factor)) return undefined;
  if (dtype === "float32") return scaleFloat32Codec(factor, plane);
  if (dtype === "bfloat16") return scaleBfloat16Codec(factor, plane);
  return dtype === "float16" ? mapped(dtype, factor) : undefined;
}

/** `times · of`, each product rounded to float32. */
function valuesTimes({ dtype }: Entry, times: number, of: NumericArray): Deltas {
  const scratch = new Float64Array(1024);
  const factor = Math.fround(times);
  return valueDeltas((first, out) => {
    if (of instanceof Float32Array) {
      for (let i = 0; i < out.length; i++) out[i] = factor * of[first + i]!;
      return;
    }
    for (let at = 0; at < out.length; at += scratch.length) {
      const count = Math.min(scratch.length, out.length - at);
      decode(of, dtype, first + at, first + at + count, scratch);
      for (let i = 0; i < count; i++) out[at + i] = factor * scratch[i]!;
    }
  });
}

function deltasOf(entry: Entry, delta: Delta<NumericArray>, own: boolean): { deltas: Deltas; bytes: number } {
  if (delta.kind === "noise") {
    const source = noiseSource(delta.seed, entry.parameter.name, delta.std, entry.dtype as "float32");
    return { deltas: noiseDeltas(source), bytes: 0 };
  }
  if (delta.kind === "values") {
    const of = own ? delta.of.slice() : delta.of;
    return { deltas: valuesTimes(entry, delta.times, of), bytes: of.byteLength };
  }
  const { left, right } = factorsOf(entry.dtype, delta, Float32Array);
  return {
    deltas: lowRankDeltas(left, right, delta.loraRank),
    bytes: left.byteLength + right.byteLength,
  };
}

/** The kernels for a step on a parameter, or `undefined` where there are none: then the original must be kept. */
export function codecOf(entry: Entry, step: Step<NumericArray>, making: Making): Kept | undefined {
  const { dtype } = entry;
  if (step.op === "scale") {
    if (typeof step.by !== "number") {
      return dtype === "float32" ? scaleAlong(entry, step.by, making) : undefined;
    }
    const codec = scaleBy(entry, step.by, making);
    return codec === undefined ? undefined : { codec, bytes: 0 };
  }
  if (step.op !== "add" || !(dtype === "float32" || isHalf(dtype))) return undefined;
  const { deltas, bytes } = deltasOf(entry, step.delta, making.own);
  return { codec: addCodec(dtype, deltas), bytes };
}
