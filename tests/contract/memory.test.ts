import * as memory from "../../src/index.ts";
import type { NumericArray } from "../../src/dtypes/dtype.ts";
import type { MemoryModel, ShapedArray } from "../../src/stores/memory/record.ts";
import { shapes } from "../support/bits.ts";
import { faultPoint } from "../support/failing.ts";
import { storeContract } from "./contract.ts";

type Model = Readonly<Record<string, ShapedArray>>;

const arrays = Object.getPrototypeOf(Float32Array.prototype) as Float32Array;

storeContract<MemoryModel, NumericArray>("memory", {
  api: memory,
  technique: "copy",
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
  arithmetic: { roundsProducts: false, flushesSubnormals: false },
  readsLater: false,
  cycles: 1000,
  refusesWrites: false,
  faults: [faultPoint(arrays, "set"), faultPoint(arrays, "slice"), faultPoint(arrays, "fill")],
});
