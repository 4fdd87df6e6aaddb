/** A step on a parameter in memory and the way back from it: in one go, or run by run where it is a shard. */
import type { NumericArray } from "../../dtypes/dtype.ts";
import { type Codec, shifted } from "../../reversible/codec.ts";
import { type Care, Parking } from "../../reversible/park.ts";
import { changedWindows, type Digests, recordDigests, windowLength } from "../../reversible/window.ts";
import type { Run } from "../../shard.ts";
import { partsOf } from "./parts.ts";
import type { Entry } from "./record.ts";

/** As a {@link Parking}. */
export type Parked = Pick<Parking, "bytes" | "do" | "undo" | "undoIn">;

/** The runs of a shard, each parked for itself; digests are of all elements, padding included. */
class Parkings implements Parked {
  readonly #data: NumericArray;
  readonly #runs: readonly Run[];
  readonly #parkings: readonly Parking[];

  constructor(entry: Entry, codec: Codec, local: boolean) {
    this.#data = entry.data;
    this.#runs = entry.shard!.runs;
    this.#parkings = partsOf(entry, local).map((part) => new Parking(part.data, shifted(codec, part.first)));
  }

  get bytes(): number {
    return this.#parkings.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  do(digests?: Digests): void {
    for (const parking of this.#parkings) parking.do();
    if (digests !== undefined) recordDigests(this.#data, digests);
  }

  undo({ expected, lost }: Care): void {
    if (expected !== undefined) for (const window of changedWindows(this.#data, expected)) lost.add(window);
    const length = windowLength(this.#data);
    for (const [i, run] of this.#runs.entries()) {
      const first = Math.floor(run.local / length);
      const last = Math.floor((run.local + run.length - 1) / length);
      const windows = Array.from({ length: last - first + 1 }, (_, at) => first + at);
      // A run that something wrote to stays as it is, to its end.
      if (windows.some((window) => lost.has(window))) for (const window of windows) lost.add(window);
      else this.#parkings[i]!.undo({ lost: new Set() });
    }
  }

  undoIn(copy: NumericArray): void {
    for (const [i, { local, length }] of this.#runs.entries()) {
      this.#parkings[i]!.undoIn(copy.subarray(local, local + length));
    }
  }
}

/** Where one run is all there is, windows are those of the digests. */
function isWhole({ data, shard }: Entry): boolean {
  const [run, ...others] = shard?.runs ?? [];
  return shard === undefined || (run?.length === data.length && others.length === 0);
}

/** @param local - whether positions are those in the shard */
export function parkingOf(entry: Entry, codec: Codec, local: boolean): Parked {
  if (!isWhole(entry)) return new Parkings(entry, codec, local);
  return new Parking(entry.data, shifted(codec, partsOf(entry, local)[0]!.first));
}
