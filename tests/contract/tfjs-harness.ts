/** TensorFlow.js variables under the contract. */
import type { Tensor, Variable } from "@tensorflow/tfjs-core";
import type { EntryPoints } from "../../src/entry.ts";
import * as tfjs from "../../src/tfjs.ts";
import type { TfjsModel } from "../../src/tfjs.ts";
import { shapes } from "../support/bits.ts";
import { engineFaults } from "../support/engine-faults.ts";
import { liveCounts } from "../support/meter.ts";
import { type BackendName, useBackend } from "../support/tensorflow.ts";
import type { Harness } from "./harness.ts";

type Model = Readonly<Record<string, Variable>>;

/** The entry points, each theater with the given technique. */
function withTechnique(technique: "swap" | "stream"): EntryPoints<TfjsModel, Tensor> {
  return {
    surgicalTheater: (model, options) => tfjs.surgicalTheater(model, { ...options, technique }),
    surgicalTheaterAsync: (model, options) => tfjs.surgicalTheaterAsync(model, { ...options, technique }),
    withTheater: (model, options, fn) => tfjs.withTheater(model, { ...options, technique }, fn),
    withTheaterAsync: (model, options, fn) => tfjs.withTheaterAsync(model, { ...options, technique }, fn),
    planTheater: (model, options) => tfjs.planTheater(model, { ...options, technique }),
  };
}

/** Variables on `backend`, which can be read without waiting. */
export async function tfjsHarness(
  backend: BackendName,
  technique: "swap" | "stream",
): Promise<Harness<TfjsModel, Tensor>> {
  const tf = await useBackend(backend);
  const tensor = (value: Float32Array, shape: readonly number[]): Tensor =>
    tf.tensor(value.slice(), [...shape]);
  const valuesOf = (array: Tensor): Float32Array => (array.dataSync() as Float32Array).slice();
  const map = (array: Tensor, change: (value: Float32Array) => Float32Array): Tensor =>
    tf.tensor(change(valuesOf(array)), array.shape);
  return {
    api: withTechnique(technique),
    technique,
    make: (values): Model =>
      Object.fromEntries(
        Object.entries(values).map(([name, value]) => {
          const initial = tensor(value, shapes[name]!);
          const variable = tf.variable(initial);
          initial.dispose();
          return [name, variable];
        }),
      ),
    read: (model) =>
      Object.fromEntries(
        Object.entries(model as Model).map(([name, variable]) => [name, valuesOf(variable)]),
      ),
    write(model, name, value) {
      const variable = (model as Model)[name]!;
      tf.tidy(() => variable.assign(tf.fill(variable.shape, value)));
    },
    array: tensor,
    half: (array) => map(array, (value) => value.map((x) => x * 0.5)),
    magnitude: (array) => map(array, (value) => value.map(Math.abs)),
    same: (array) => map(array, (value) => value),
    freeArray: (array) => array.dispose(),
    free: (model) => tf.dispose(Object.values(model as Model)),
    counts: liveCounts,
    countsAtRest: () => ({}),
    arithmetic: { roundsProducts: true, addsReversibly: false, flushesSubnormals: false },
    readsLater: false,
    cycles: 1000,
    losesWrites: false,
    estimates: false,
    meets: true,
    watchesAll: true,
    refusesWrites: technique === "stream",
    failsUnder: "all",
    faults: engineFaults(),
  };
}
