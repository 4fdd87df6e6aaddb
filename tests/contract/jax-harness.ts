/**
 * Trees of jax-js arrays under the contract. Nothing is ever shown on a tree itself: what is visible of a model is the
 * tree of the theater that was opened on it last, and two theaters on one tree know nothing of each other.
 */
import type { numpy as np } from "@jax-js/jax";
import { Array as JaxArray, type Device, tree } from "@jax-js/jax";
import { expect } from "vitest";
import type { EntryPoints } from "../../src/entry.ts";
import * as jax from "../../src/jax.ts";
import { shapes, type Values } from "../support/bits.ts";
import { faultPoint, type FaultPoint } from "../support/failing.ts";
import { arrayOf, backendOf, startJaxMeter, useDevices } from "../support/jax.ts";
import type { Harness } from "./harness.ts";

type Params = Record<string, np.Array>;

/** A tree, and the theaters on it. */
interface Model {
  readonly params: Params;
  readonly open: { readonly params: Params; readonly receipt: unknown }[];
}

/** Whatever is evaluated has to be looked at. */
function look(params: Params): void {
  Object.values(params);
}

/** What is visible: a theater that is being closed shows nothing any more. */
function visible({ params, open }: Model): Params {
  const last = open.reduce<(typeof open)[number] | undefined>(
    (found, theater) => (theater.receipt === undefined ? theater : found),
    undefined,
  );
  try {
    return last?.params ?? params;
  } catch {
    return params;
  }
}

const api: EntryPoints<Model, np.Array> = {
  surgicalTheater({ params, open }, options) {
    const theater = jax.surgicalTheater(params, options);
    try {
      look(theater.params);
    } catch (error) {
      // Nobody has it who could close it.
      expect(() => theater.close()).toThrow(expect.objectContaining({ code: "unused" }));
      throw error;
    }
    open.push(theater);
    return theater;
  },
  async surgicalTheaterAsync({ params, open }, options) {
    const theater = await jax.surgicalTheaterAsync(params, options);
    look(theater.params);
    open.push(theater);
    return theater;
  },
  withTheater: ({ params }, options, fn) =>
    jax.withTheater(params, options, (modified) => {
      look(modified);
      return fn();
    }),
  withTheaterAsync: ({ params }, options, fn) =>
    jax.withTheaterAsync(params, options, (modified) => {
      look(modified);
      return fn();
    }),
  planTheater: ({ params }, options) => jax.planTheater(params, options),
};

/** What can fail on a device, and in jax-js itself. */
function faultsOn(device: Device): readonly FaultPoint[] {
  const backend = backendOf(device);
  const arrays = JaxArray.prototype as unknown as { dispose: unknown };
  // What jax-js itself does not free when it fails: arrays that it made of numbers, and all that a kernel was waiting for.
  const number = { slots: 1, bytes: 4 * 128 };
  const kernel = { slots: 3, bytes: 3 * 4500 };
  return [
    { ...faultPoint(backend, "malloc"), leaves: number },
    { ...faultPoint(backend, "dispatch"), leaves: kernel },
    // Of the array that could not be disposed of, and of what it was made from.
    { ...faultPoint(arrays, "dispose"), leaves: kernel },
  ];
}

function read(params: Params): Values {
  return Object.fromEntries(
    Object.entries(params).map(([name, array]) => [name, (array.ref.dataSync() as Float32Array).slice()]),
  );
}

/** Arrays on `device`, which can be read without waiting. */
export async function jaxHarness(device: Device): Promise<Harness<Model, np.Array>> {
  await useDevices(device);
  const meter = startJaxMeter(device);
  const map = (array: np.Array, change: (value: Float32Array) => Float32Array): np.Array =>
    arrayOf(change((array.ref.dataSync() as Float32Array).slice()), array.shape, device);
  return {
    api,
    technique: "swap",
    make(values) {
      const params = Object.fromEntries(
        Object.entries(values).map(([name, value]) => [name, arrayOf(value, shapes[name]!, device)]),
      );
      return { params, open: [] };
    },
    read: (model) => read(visible(model)),
    write: () => {
      throw new Error("arrays of jax-js cannot be written");
    },
    array: (value, shape) => arrayOf(value, shape, device),
    half: (array) => map(array, (value) => value.map((x) => x * 0.5)),
    magnitude: (array) => map(array, (value) => value.map(Math.abs)),
    same: (array) => map(array, (value) => value),
    freeArray: (array) => array.dispose(),
    free: ({ params }) => tree.dispose(params),
    counts: () => ({ slots: meter.slots(), bytes: meter.bytes() }),
    countsAtRest: () => ({}),
    arithmetic: { roundsProducts: true, addsReversibly: false, flushesSubnormals: false },
    readsLater: false,
    cycles: 200,
    losesWrites: false,
    estimates: false,
    refusesWrites: false,
    meets: false,
    watchesAll: true,
    failsUnder: "all",
    faults: faultsOn(device),
  };
}
