/** Encoders against their definitions in the plainest way, on values of all sizes and next to every threshold. */
import { describe, expect, it } from "vitest";
import { float16ToNumber, numberToFloat16 } from "../../src/dtypes/float16.ts";
import type { QuantizedParameter } from "../../src/quantized/parameter.ts";
import { anyFloats } from "../support/bits.ts";
import { normals } from "../support/normals.ts";
import { copyOf, type Kind, weights, write } from "../support/quantized.ts";

const { abs, fround } = Math;
const half = (x: number): number => float16ToNumber(numberToFloat16(x));
const inverseOf = (x: number): number => (x === 0 ? 0 : fround(1 / x));
const isEven = (x: number): boolean => x % 2 === 0;

function halfToEven(x: number): number {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return isEven(low) ? low : low + 1;
}

const nf4 = [
  -0.8480964004993439, -0.6106329262256622, -0.4599952697753906, -0.33967943489551544, -0.23460740596055984,
  -0.13791173323988914, -0.045525018125772476, 0.03979014977812767, 0.1202552504837513, 0.2035212516784668,
  0.2920137718319893, 0.3893125355243683, 0.5016634164263916, 0.6427869200706482, 0.8614784181118011,
].map(fround);
const fp4 = [0.00260417, 0.0859375, 0.20833333, 0.29166667, 0.4166667, 0.583333, 0.8333333].map(fround);

/** The code of each value of a block, and the scale. */
type Encode = (block: readonly number[]) => { readonly codes: readonly number[]; readonly scale: number };

const absmaxOf = (block: readonly number[]): number => Math.max(...block.map(abs));

const definitions: Readonly<Record<Exclude<Kind, "bnb-nf4 nested" | "bnb-fp4 nested">, Encode>> = {
  "bnb-int8"(block) {
    const halves = block.map(half);
    const scale = absmaxOf(halves);
    const factor = scale === 0 ? 0 : fround(127 / scale);
    return { codes: halves.map((x) => halfToEven(fround(x * factor))), scale };
  },
  "bnb-nf4"(block) {
    const scale = absmaxOf(block);
    const scaled = block.map((x) => fround(x * inverseOf(scale)));
    return { codes: scaled.map((x) => nf4.filter((t) => x > t).length), scale };
  },
  "bnb-fp4"(block) {
    const scale = absmaxOf(block);
    const scaled = block.map((x) => fround(x * inverseOf(scale)));
    const codeOf = (x: number): number => [0, 1, 6, 7, 4, 5, 2, 3][fp4.filter((t) => abs(x) > t).length]!;
    return { codes: scaled.map((x) => codeOf(x) + (x < 0 ? 8 : 0)), scale };
  },
  "gguf-q8_0"(block) {
    const scale = fround(absmaxOf(block) / 127);
    const round = (x: number): number => Math.sign(x) * Math.floor(abs(x) + 0.5);
    return { codes: block.map((x) => round(fround(x * inverseOf(scale))) & 255), scale: half(scale) };
  },
  "gguf-q4_0"(block) {
    const largest = block.find((x) => abs(x) === absmaxOf(block))!;
    const scale = fround(largest / -8);
    const codeOf = (x: number): number =>
      Math.min(15, Math.trunc(fround(fround(x * inverseOf(scale)) + 8.5)));
    return { codes: block.map(codeOf), scale: half(scale) };
  },
};

/** Codes and scale of one block, as the arrays have them. */
function found(p: QuantizedParameter, count: number): ReturnType<Encode> {
  if ("scb" in p) return { codes: [...p.codes], scale: p.scb[0]! };
  if ("blocks" in p) {
    const [low, high, ...codes] = p.blocks;
    const scale = float16ToNumber(low! | (high! << 8));
    if (p.format === "gguf-q8_0") return { codes, scale };
    return { codes: [...codes.map((byte) => byte & 15), ...codes.map((byte) => byte >> 4)], scale };
  }
  const codes = [...p.codes].flatMap((byte) => [byte >> 4, byte & 15]).slice(0, count);
  return { codes, scale: (p.absmax as Float32Array)[0]! };
}

/** Neighbours of every threshold where the scale is 1, and ties of the integer formats. */
function edges(columns: number): readonly (readonly number[])[] {
  const near = [...nf4, ...fp4, ...fp4.map((t) => -t)].flatMap((t) => {
    const word = new Int32Array(Float32Array.of(t).buffer)[0]!;
    return [...new Float32Array(Int32Array.of(word - 1, word, word + 1).buffer)];
  });
  const ties = Array.from({ length: 254 }, (_, i) => (i - 127) / 2);
  const blocks: number[][] = [];
  for (const [values, first] of [
    [near, 1] as const,
    [near, -1] as const,
    [ties, 127] as const,
    [ties, -8] as const,
  ]) {
    for (let at = 0; at < values.length; at += columns - 1) {
      const block = values.slice(at, at + columns - 1).filter((x) => abs(x) <= abs(first));
      blocks.push([first, ...block, ...Array<number>(columns - 1 - block.length).fill(0)]);
    }
  }
  return blocks;
}

/** Any finite numbers that are not too large for a float16. */
function any(columns: number, seed: number): readonly number[] {
  return [...anyFloats(4 * columns, seed)].filter((x) => abs(x) < 60_000).slice(-columns);
}

describe.each(Object.keys(definitions) as (keyof typeof definitions)[])("%s", (kind) => {
  it("encodes as its definition says", () => {
    const columns = 64;
    const length = kind.startsWith("gguf") ? 32 : columns;
    const p = weights({ kind, rows: 1, columns: length, blockSize: 64 });
    const blocks = [
      ...edges(length),
      ...Array.from({ length: 300 }, (_, i) => [...normals(length, 10 ** ((i % 9) - 6), i)]),
      ...Array.from({ length: 300 }, (_, i) => any(length, i + 1)),
      Array<number>(length).fill(0),
      Array<number>(length).fill(-0),
      Array<number>(length).fill(fround(1e-8)),
      Array<number>(length).fill(kind.startsWith("gguf") ? fround(1e-36) : 2 ** -133),
    ].filter((block) => block.length === length);
    expect(blocks.length).toBeGreaterThan(400);
    for (const block of blocks) {
      const encoded = copyOf(p);
      write(encoded, Float32Array.from(block));
      const wanted = definitions[kind](block);
      const { codes, scale } = found(encoded, length);
      expect({ block, codes, scale: scale + 0 }).toEqual({
        block,
        codes: wanted.codes.map((code) => code + 0),
        scale: wanted.scale + 0,
      });
    }
  });
});
