/** Typed arrays as a model: the memory store. */
import { carrierOf, type NumericArray } from "../../dtypes/dtype.ts";
import { describeValue, ModificationError } from "../../errors.ts";
import { fingerprint } from "../../fingerprint.ts";
import { isRecord } from "../../plain.ts";
import type { Bytes, Layer, Model, Site, Stage, Technique } from "../../store.ts";
import { refuseOtherModels } from "../other-models.ts";
import { CopyStage, costOfCopy } from "./copy.ts";
import { type Entry, type MemoryModel, readRecord } from "./record.ts";
import { markShared } from "./shared-buffer.ts";
import { valuesOf } from "./steps.ts";
import { intersect, overlapping, type Storage } from "./storage.ts";

class MemorySite implements Site<NumericArray> {
  readonly #entry: Entry;
  readonly offers: readonly Technique[] = ["copy"];

  constructor(entry: Entry) {
    this.#entry = entry;
  }

  get parameter(): Entry["parameter"] {
    return this.#entry.parameter;
  }

  get key(): Storage {
    return this.#entry.storage;
  }

  overlaps(): Iterable<Storage> {
    return overlapping(this.#entry.data.buffer, this.#entry.storage);
  }

  cost(_technique: Technique, shown: readonly Layer<NumericArray>[], added: Layer<NumericArray>): Bytes {
    return costOfCopy(this.#entry, shown, added);
  }

  stage(): Stage<NumericArray> {
    const { data, parameter } = this.#entry;
    if (data.buffer instanceof ArrayBuffer || typeof SharedArrayBuffer === "undefined")
      return new CopyStage(this.#entry);
    const unmark = markShared(data.buffer, parameter.name);
    return new CopyStage(this.#entry, unmark);
  }

  fingerprint(): string {
    return fingerprint(this.#entry.data);
  }

  read(): ArrayLike<number> {
    return valuesOf(this.#entry.data, this.#entry.dtype);
  }

  check(value: NumericArray, role: string): void {
    const { data, dtype, parameter } = this.#entry;
    const name = JSON.stringify(parameter.name);
    const tag = ArrayBuffer.isView(value) ? value[Symbol.toStringTag] : undefined;
    if (tag !== carrierOf(dtype) && !(data instanceof Uint16Array && tag === "Float32Array")) {
      throw new ModificationError(
        "dtype_mismatch",
        parameter.name,
        `${role} ${name}, of dtype ${dtype}, must be a ${carrierOf(dtype)}` +
          `${data instanceof Uint16Array ? " or a Float32Array" : ""}, got ${describeValue(value)}. ` +
          "The model is unchanged.",
      );
    }
    if (value.length !== data.length) {
      throw new ModificationError(
        "shape_mismatch",
        parameter.name,
        `${role} ${name}, of shape [${parameter.shape.join(", ")}], must have ${data.length} elements, got ` +
          `${value.length}. The model is unchanged.`,
      );
    }
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
  const { entries, layers } = readRecord(record);
  return {
    kind: "record of typed arrays",
    emptyHint: "Give a record of typed arrays by name; a Map or a promise has none.",
    sites: entries.map((entry) => new MemorySite(entry)),
    layers,
    // Watching in place means a digest of every byte: only a theater without a modification does it.
    watchesAll: false,
    capsules: [],
    exports: false,
    useBytes: () => ({ transient: 0, engine: 0 }),
  };
}
