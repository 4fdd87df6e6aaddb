/** Typed arrays as a model: the memory store. */
import type { DType, NumericArray } from "../../dtypes/dtype.ts";
import { describeValue } from "../../errors.ts";
import { fingerprint } from "../../fingerprint.ts";
import { isRecord } from "../../plain.ts";
import type { Step } from "../../step.ts";
import type { Bytes, Layer, Model, Site, Stage, Technique } from "../../store.ts";
import type { Agreement, Shard } from "../../shard.ts";
import { refuseOtherModels } from "../other-models.ts";
import { codecOf } from "./codecs.ts";
import { checkOperand, checkStep } from "./check.ts";
import { CopyStage, costOfCopy } from "./copy.ts";
import { numbersOf } from "./operands.ts";
import { QuantizedSite } from "./quantized/site.ts";
import { type Entry, type Inventory, type MemoryModel, readRecord } from "./record.ts";
import { ReversibleStage } from "./reversible.ts";
import { costOfReversible } from "./reversible-cost.ts";
import { markShared } from "./shared-buffer.ts";
import { valuesOf } from "./steps.ts";
import { intersect, overlapping, type Storage } from "./storage.ts";

class MemorySite implements Site<NumericArray> {
  readonly #entry: Entry;

  constructor(entry: Entry) {
    this.#entry = entry;
  }

  get parameter(): Entry["parameter"] {
    return this.#entry.parameter;
  }

  get shard(): Shard<NumericArray> | undefined {
    return this.#entry.shard;
  }

  get key(): Storage {
    return this.#entry.storage;
  }

  overlaps(): Iterable<Storage> {
    return overlapping(this.#entry.data.buffer, this.#entry.storage);
  }

  cost(technique: Technique, shown: readonly Layer<NumericArray>[], added: Layer<NumericArray>): Bytes {
    if (technique === "copy") return costOfCopy(this.#entry, shown, added);
    return costOfReversible(this.#entry, shown.length === 0, added, technique === "plane");
  }

  stage(technique: Technique): Stage<NumericArray> {
    const { data, parameter } = this.#entry;
    const { buffer } = data;
    const isOwn = buffer instanceof ArrayBuffer || typeof SharedArrayBuffer === "undefined";
    const unmark = isOwn ? undefined : markShared(buffer, parameter.name);
    return technique === "copy"
      ? new CopyStage(this.#entry, unmark)
      : new ReversibleStage(this.#entry, technique === "plane", unmark);
  }

  /** Whether a layer is nothing but scaling that parks less than it would keep. */
  scalesReversibly({ steps }: Layer<NumericArray>): boolean {
    return steps.every(
      (step) => step.op === "scale" && codecOf(this.#entry, step, { own: false, plane: false }) !== undefined,
    );
  }

  fingerprint(): string {
    return fingerprint(this.#entry.data);
  }

  read(): ArrayLike<number> {
    return valuesOf(this.#entry.data, this.#entry.dtype);
  }

  check(step: Step<NumericArray>, role: string): void {
    const { data, shard } = this.#entry;
    checkStep(step, { ...this.#entry, valueShape: shard === undefined ? undefined : [data.length] }, role);
  }

  checkOperand(value: NumericArray, shape: readonly number[], role: string): void {
    checkOperand(value, shape, this.#entry, role);
  }

  readOperand(value: NumericArray): ArrayLike<number> {
    return numbersOf(value, this.#entry.dtype);
  }

  isLive({ buffer, byteOffset, byteLength }: NumericArray): boolean {
    const { data, storage } = this.#entry;
    return buffer === data.buffer && intersect(storage, { start: byteOffset, end: byteOffset + byteLength });
  }

  assertAlive(): void {
    const { data, parameter } = this.#entry;
    if (data.byteLength === parameter.bytes) return;
    throw new TypeError(
      `the buffer of ${JSON.stringify(parameter.name)} is detached: it was transferred, or its WebAssembly memory grew. ` +
        "Nothing was changed. Make it anew from the array that is there now.",
    );
  }

  average(previous: NumericArray | undefined, weight: number): NumericArray {
    const { data, dtype } = this.#entry;
    const values = valuesOf(data, dtype);
    // A 16-bit average would never move: its steps are smaller than its rounding.
    if (previous === undefined) return data instanceof Uint16Array ? Float32Array.from(values) : data.slice();
    for (let i = 0; i < values.length; i++) previous[i]! += weight * (values[i]! - previous[i]!);
    return previous;
  }

  get averageBytes(): number {
    const { data } = this.#entry;
    return data instanceof Uint16Array ? 4 * data.length : data.byteLength;
  }

  free(): void {}
}

/** Below this, a copy is not worth avoiding: it survives whatever is written inside. */
const WORTH_IT = 65_536;

/** Scaling reversibly takes about the time of a copy; an addition is computed twice, and takes longer. */
function automatic(shown: ReadonlyMap<Site<NumericArray>, Layer<NumericArray>>): readonly Technique[] {
  let bytes = 0;
  let scales = true;
  for (const [site, layer] of shown) {
    bytes += site.parameter.bytes;
    scales &&= (site as MemorySite | QuantizedSite).scalesReversibly(layer);
  }
  return scales && bytes > WORTH_IT ? ["reversible", "copy"] : ["copy", "reversible"];
}

/**
 * A record of typed arrays as the theater sees it.
 *
 * @throws TypeError, RangeError, UnsupportedError, LayersError for what cannot be a model in memory
 */
export function memoryModel(record: MemoryModel): Model<NumericArray> {
  refuseOtherModels(record, "surgical-theater");
  if (!isRecord(record)) {
    throw new TypeError(
      `a model in memory is a record of typed arrays by name, got ${describeValue(record)}. Nothing was changed. ` +
        "For example: { kernel: new Float32Array(n) }.",
    );
  }
  if (ArrayBuffer.isView(record["data"]) && Array.isArray(record["shape"])) {
    throw new TypeError(
      "this is one parameter, { data, shape, dtype }; a model is a record of them by name. Nothing was changed. " +
        "Give { name: { data, shape, dtype } }.",
    );
  }
  return modelOf(readRecord(record));
}

/**
 * The model that parameters are.
 *
 * @param agreement - where other processes have other parts of them
 */
export function modelOf({ entries, layers }: Inventory, agreement?: Agreement): Model<NumericArray> {
  return {
    agreement,
    kind: "record of typed arrays",
    emptyHint: "Give a record of typed arrays by name; a Map or a promise has none.",
    sites: entries.map((entry) => ("arrays" in entry ? new QuantizedSite(entry) : new MemorySite(entry))),
    layers,
    techniques: ["reversible", "plane", "copy"],
    automatic,
    estimates: true,
    losesWrites: (technique) => technique !== "copy",
    // Watching in place means a digest of every byte: only a theater without a modification does it.
    watchesAll: false,
    capsules: [],
    exports: false,
    useBytes: () => ({ transient: 0, engine: 0 }),
  };
}

/** A part of a parameter of this shape. */
export interface MemoryPart {
  readonly name: string;
  /** Elements that are here. */
  readonly data: NumericArray;
  /** Of the whole parameter. */
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly shard: Shard<NumericArray>;
}

/** Parameters of which parts are elsewhere. @throws as {@link memoryModel} */
export function memoryParts(parts: readonly MemoryPart[]): Inventory {
  const byName = new Map(parts.map((part) => [part.name, part]));
  const { entries, layers } = readRecord(
    Object.fromEntries(parts.map(({ name, data, dtype }) => [name, { data, shape: [data.length], dtype }])),
  );
  return {
    layers,
    entries: entries.map((entry) => {
      const { shape, shard } = byName.get(entry.parameter.name)!;
      return { ...(entry as Entry), parameter: { ...entry.parameter, shape: [...shape] }, shard };
    }),
  };
}
