/** Typed arrays under the contract. */
import * as memory from "../../src/index.ts";
import type { NumericArray } from "../../src/dtypes/dtype.ts";
import type { MemoryModel, ShapedArray } from "../../src/stores/memory/record.ts";
import { shapes } from "../support/bits.ts";
import { faultPoint } from "../support/failing.ts";
import type { Technique } from "../../src/store.ts";
import type { EntryPoints } from "../../src/entry.ts";
import type { Harness } from "./harness.ts";

type Model = Readonly<Record<string, ShapedArray>>;

const arrays = Object.getPrototypeOf(Float32Array.prototype) as Float32Array;

/** The entry points, each theater with the given technique. */
function withTechnique(technique: Technique): EntryPoints<MemoryModel, NumericArray> {
  return {
    surgicalTheater: (model, options) => memory.surgicalTheater(model, { ...options, technique }),
    surgicalTheaterAsync: (model, options) => memory.surgicalTheaterAsync(model, { ...options, technique }),
    withTheater: (model, options, fn) => memory.withTheater(model, { ...options, technique }, fn),
    withTheaterAsync: (model, options, fn) => memory.withTheaterAsync(model, { ...options, technique }, fn),
    planTheater: (model, options) => memory.planTheater(model, { ...options, technique }),
  };
}

/** Typed arrays under one technique. */
export function memoryHarness(
  technique: "copy" | "reversible" | "plane",
  cycles: number,
): Harness<MemoryModel, NumericArray> {
  return {
    api: withTechnique(technique),
    technique,
    make: (values): Model =>
      Object.fromEntries(
        Object.entries(values).map(([name, value]) => [
          name,
          { data: value.slice(), shape: shapes[name]!, dtype: "float32" },
        ]),
      ),
    read: (model) =>
      Object.fromEntries(
        Object.entries(model as Model).map(([name, { data }]) => [name, (data as Float32Array).slice()]),
      ),
    write: (model, name, value) => void (model as Model)[name]!.data.fill(value),
    array: (value) => value.slice(),
    half: (array) => (array as Float32Array).map((x) => x * 0.5),
    magnitude: (array) => (array as Float32Array).map(Math.abs),
    same: (array) => array.slice(),
    freeArray: () => {},
    free: () => {},
    // Arrays are garbage-collected: nothing to count.
    counts: () => ({}),
    countsAtRest: () => ({}),
    arithmetic: { roundsProducts: true, addsReversibly: true, flushesSubnormals: false },
    readsLater: false,
    cycles,
    losesWrites: technique !== "copy",
    estimates: technique !== "copy",
    meets: true,
    watchesAll: false,
    refusesWrites: false,
    failsUnder: "all",
    faults: [faultPoint(arrays, "set"), faultPoint(arrays, "slice"), faultPoint(arrays, "fill")],
  };
}
