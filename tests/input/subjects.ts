/**
 * What bad input is given to: the same parameters in every store, behind entry points as somebody without types
 * sees them.
 */
import { numpy as np } from "@jax-js/jax";
import * as memory from "../../src/index.ts";
import * as jax from "../../src/jax.ts";
import * as tfjs from "../../src/tfjs.ts";
import { startJaxMeter } from "../support/jax.ts";
import type { TensorFlow } from "../support/tensorflow.ts";

/** An entry point whose types refuse nothing. */
export interface Entry {
  withTheater(model?: unknown, options?: unknown, fn?: unknown): unknown;
  withTheaterAsync(model?: unknown, options?: unknown, fn?: unknown): Promise<unknown>;
  surgicalTheater(model?: unknown, options?: unknown): memory.SurgicalTheater;
  surgicalTheaterAsync(model?: unknown, options?: unknown): Promise<memory.AsyncSurgicalTheater>;
  planTheater(model?: unknown, options?: unknown): memory.Plan;
  readonly Ema: new (model?: unknown, options?: unknown) => InstanceType<typeof memory.Ema>;
  scale(factor?: unknown): unknown;
  noise(options?: unknown): unknown;
  prune(options?: unknown): unknown;
  quantize(options?: unknown): unknown;
  custom(fn?: unknown, options?: unknown): unknown;
  interpolate(towards?: unknown, amount?: unknown): unknown;
}

type DType = "float32" | "int32";

/** One store, with the models that cases are run on. */
export interface Subject {
  readonly entryPoint: "surgical-theater" | "surgical-theater/tfjs" | "surgical-theater/jax";
  readonly entry: Entry;
  /** Attention, a norm with a statistic, a head, and integers. */
  readonly model: unknown;
  /** A model without attention. */
  readonly plain: unknown;
  /** A model whose kernel holds NaN. */
  readonly broken: unknown;
  /** A value for a parameter, freed after the case. */
  values(numbers: readonly number[], shape?: readonly number[], dtype?: DType): unknown;
  /** Has `thing` disposed of after the case. */
  own<D extends { dispose(): void }>(thing: D): D;
  /** The bits of all parameters of all models, by model and name. */
  bits(): Readonly<Record<string, string>>;
  /** Frees what the case took; what the library did not free itself is still counted. */
  cleanUp(): void;
  /** Live objects of the engine. */
  live(): number;
}

interface Given {
  readonly numbers: readonly number[];
  readonly shape: readonly number[];
  readonly dtype?: DType;
}

const standard: Readonly<Record<string, Given>> = {
  "encoder.attn.kernel": { numbers: [1, -2, 3, -4], shape: [2, 2] },
  "encoder.norm.gamma": { numbers: [1, 1.5], shape: [2] },
  "encoder.norm.moving_mean": { numbers: [0.25, -0], shape: [2] },
  "head.kernel": { numbers: [5, 6, 7, 8], shape: [2, 2] },
  ids: { numbers: [100, -100], shape: [2], dtype: "int32" },
};

const models: Readonly<Record<string, Readonly<Record<string, Given>>>> = {
  model: standard,
  plain: { "dense_1.kernel": { numbers: [1, 2], shape: [1, 2] }, "dense_2.kernel": standard["head.kernel"]! },
  broken: { kernel: { numbers: [1, Number.NaN], shape: [2] } },
};

function hex(view: ArrayBufferView): string {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString("hex");
}

/** The same record with every entry turned into something else. */
function each<A, B>(
  record: Readonly<Record<string, A>>,
  turn: (value: A, name: string) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, turn(value, name)]));
}

function bitsOf<V>(
  all: Readonly<Record<string, Readonly<Record<string, V>>>>,
  data: (value: V) => ArrayBufferView,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(all).flatMap(([model, parameters]) =>
      Object.entries(parameters).map(([name, value]) => [`${model}: ${name}`, hex(data(value))] as const),
    ),
  );
}

/** Things to dispose of after a case. */
function belongings(): Pick<Subject, "own" | "cleanUp"> {
  let owned: { dispose(): void }[] = [];
  return {
    own(thing) {
      owned.push(thing);
      return thing;
    },
    cleanUp() {
      for (const thing of owned) thing.dispose();
      owned = [];
    },
  };
}

export function memorySubject(): Subject {
  const array = (numbers: readonly number[], dtype: DType = "float32"): Float32Array | Int32Array =>
    dtype === "float32" ? Float32Array.from(numbers) : Int32Array.from(numbers);
  const made = each(models, (parameters) =>
    each(parameters, ({ numbers, shape, dtype = "float32" }) => ({
      data: array(numbers, dtype),
      shape,
      dtype,
    })),
  );
  return {
    ...belongings(),
    entryPoint: "surgical-theater",
    entry: memory as unknown as Entry,
    model: made["model"],
    plain: made["plain"],
    broken: made["broken"],
    values: (numbers, _shape, dtype) => array(numbers, dtype),
    bits: () => bitsOf(made, ({ data }) => data),
    live: () => 0,
  };
}

/** @param tf - on a backend whose values can be read without waiting */
export function tfjsSubject(tf: TensorFlow): Subject {
  const { own, cleanUp } = belongings();
  const tensor = (numbers: readonly number[], shape: readonly number[], dtype: DType) =>
    tf.tensor([...numbers], [...shape], dtype);
  const made = each(models, (parameters, model) =>
    each(parameters, ({ numbers, shape, dtype = "float32" }, name) =>
      tf.tidy(() => tf.variable(tensor(numbers, shape, dtype), true, `${model} ${name}`)),
    ),
  );
  return {
    own,
    cleanUp,
    entryPoint: "surgical-theater/tfjs",
    entry: tfjs as unknown as Entry,
    model: made["model"],
    plain: made["plain"],
    broken: made["broken"],
    values: (numbers, shape = [numbers.length], dtype = "float32") => own(tensor(numbers, shape, dtype)),
    bits: () => bitsOf(made, (variable) => variable.dataSync()),
    live: () => tf.memory().numTensors,
  };
}

/** The entry points, with theaters whose trees are looked at: what is not used is an error of its own. */
const looking = {
  withTheater: (params: unknown, options: jax.Options<np.Array>, fn: unknown) =>
    jax.withTheater(params, options, around(fn)),
  withTheaterAsync: (params: unknown, options: jax.Options<np.Array>, fn: unknown) =>
    jax.withTheaterAsync(params, options, around(fn)),
  surgicalTheater(params: unknown, options: jax.Options<np.Array>) {
    const theater = jax.surgicalTheater(params, options);
    theater.take();
    return theater;
  },
  async surgicalTheaterAsync(params: unknown, options: jax.Options<np.Array>) {
    const theater = await jax.surgicalTheaterAsync(params, options);
    theater.take();
    return theater;
  },
};

/** `fn`, if it is a function, after a look at the tree. */
function around(fn: unknown): (modified: unknown) => unknown {
  if (typeof fn !== "function") return fn as () => unknown;
  return (modified) => {
    Object.values(modified as object);
    return (fn as () => unknown)();
  };
}

/** On wasm, whose values can be read without waiting. The engine is ready. */
export function jaxSubject(): Subject {
  const { own, cleanUp } = belongings();
  const meter = startJaxMeter("wasm");
  const array = (numbers: readonly number[], shape: readonly number[], dtype: DType): np.Array => {
    const made = np
      .array(dtype === "int32" ? Int32Array.from(numbers) : Float32Array.from(numbers))
      .reshape([...shape]);
    // It is put on the device when it is first read.
    made.ref.dataSync();
    return made;
  };
  const made = each(models, (parameters) =>
    each(parameters, ({ numbers, shape, dtype = "float32" }) => array(numbers, shape, dtype)),
  );
  const model = made["model"]!;
  /** Updates are given parameters here, and those of the tables are always the same. */
  class Ema extends jax.Ema<unknown> {
    override update(params: unknown = model): void {
      super.update(params);
    }
  }
  return {
    own,
    cleanUp,
    entryPoint: "surgical-theater/jax",
    entry: { ...jax, ...looking, Ema } as unknown as Entry,
    model,
    plain: made["plain"],
    broken: made["broken"],
    values(numbers, shape = [numbers.length], dtype = "float32") {
      const value = array(numbers, shape, dtype);
      own({
        dispose: () => {
          while (value.refCount > 0) value.dispose();
        },
      });
      return value;
    },
    bits: () => bitsOf(made, (value) => value.ref.dataSync()),
    live: () => meter.slots(),
  };
}
