/** What the types of "surgical-theater/jax" accept, and what they refuse. */
import { numpy as np, tree } from "@jax-js/jax";
import { expectTypeOf } from "vitest";
import * as memory from "../../src/index.ts";
import {
  type AsyncJaxTheater,
  custom,
  disable,
  Ema,
  interpolate,
  type JaxTheater,
  lora,
  type Modification,
  noise,
  overlay,
  planTheater,
  type Receipt,
  scale,
  surgicalTheater,
  surgicalTheaterAsync,
  withTheater,
  withTheaterAsync,
} from "../../src/jax.ts";

// Trees of any plain type, and what is in them beside arrays.
type Layer = { kernel: np.Array; bias: np.Array };
interface Model {
  readonly layers: readonly Layer[];
  readonly head: np.Array;
  readonly heads: number;
}
declare const params: { layers: Layer[]; head: np.Array };
declare const model: Model;
declare const w: np.Array;
declare const arrays: Record<string, Float32Array>;
const all = { modification: scale(0.5), layers: "all" } as const;
planTheater(params, {});
planTheater(model, {});
planTheater(w, all);
planTheater([w, { w }], all);

// The modified tree has the type of the tree, and results are what the function returns.
const loss = withTheater(params, all, (modified) => {
  expectTypeOf(modified).toEqualTypeOf<typeof params>();
  return np.sum(modified.head).item();
});
expectTypeOf(loss).toEqualTypeOf<ReturnType<np.Array["item"]>>();
withTheater(model, all, ({ layers, heads }) => {
  expectTypeOf(layers).toEqualTypeOf<readonly Layer[]>();
  expectTypeOf(heads).toEqualTypeOf<number>();
});
const awaited = withTheaterAsync(params, all, async ({ head }) => (await head.ref.data())[0]);
expectTypeOf(awaited).resolves.toEqualTypeOf<number | undefined>();
expectTypeOf(withTheaterAsync(params, all, ({ head }) => head.shape)).toEqualTypeOf<Promise<number[]>>();
expectTypeOf(withTheater(params, all, tree.ref)).toEqualTypeOf<typeof params>();
// @ts-expect-error use withTheaterAsync
void withTheater(params, all, ({ head }) => head.data());
// @ts-expect-error use withTheaterAsync
void withTheater(params, all, async () => 1);
// @ts-expect-error no such field
withTheater(params, all, ({ tail }) => tail);
// @ts-expect-error the function is missing
withTheater(params, all);

// Theaters, whose types can be named.
const opened: JaxTheater<typeof params> = surgicalTheater(params, all);
expectTypeOf(opened.params).toEqualTypeOf<typeof params>();
expectTypeOf(opened.take()).toEqualTypeOf<typeof params>();
expectTypeOf(opened.ready()).toEqualTypeOf<Promise<void>>();
expectTypeOf(opened.close()).toEqualTypeOf<Receipt>();
const waiting: AsyncJaxTheater<Model> = await surgicalTheaterAsync(model, all);
expectTypeOf(waiting.params).toEqualTypeOf<Model>();
expectTypeOf(waiting.close()).toEqualTypeOf<Promise<Receipt>>();
// @ts-expect-error readonly
opened.params = params;

// A literal is the same as a builder.
export const modifications: readonly Modification<np.Array>[] = [
  { type: "scale", factor: 0.5 },
  { type: "noise", std: 0.1, seed: 1 },
  { type: "disable" },
  { type: "custom", fn: (w) => w.mul(2), returns: "value" },
  { type: "interpolate", towards: { head: w } },
  { type: "lora", adapter: { head: { a: w, b: w } }, alpha: 1, loraRank: 2, layout: "inOut" },
  scale(0.5),
  noise({ std: 0.1, seed: 1 }),
  disable(),
  custom<np.Array>((w) => np.tanh(w)),
  interpolate({ head: w }),
  lora({ head: { a: w, b: w, magnitude: w } }, { alpha: 1, loraRank: 2 }),
];
// @ts-expect-error misspelt option
planTheater(params, { modificaton: scale(0.5) });

// `custom` knows its arrays from where it is used.
planTheater(params, { modification: custom((w) => w.mul(2)), layers: "all" });
planTheater(params, { modification: [custom((w) => np.tanh(w), { returns: "value" })], layers: "all" });
planTheater(params, { modification: custom((w, { shape }) => w.reshape([...shape])), layers: "all" });
// @ts-expect-error a promise is no array
planTheater(params, { modification: custom(async (w) => w), layers: "all" });
// @ts-expect-error a number is no array
planTheater(params, { modification: custom((w) => w.size), layers: "all" });
// @ts-expect-error this function is one on typed arrays
planTheater(params, { modification: memory.custom<Float32Array>((w) => w), layers: "all" });
// @ts-expect-error this function is one on arrays of jax-js
memory.planTheater(arrays, { modification: custom<np.Array>((w) => w), layers: "all" });
// @ts-expect-error typed arrays are no arrays of jax-js
planTheater(params, { modification: interpolate({ head: new Float32Array(2) }) });
const ofTypedArrays = lora(
  { head: { a: new Float32Array(2), b: new Float32Array(2) } },
  { alpha: 1, loraRank: 2 },
);
// @ts-expect-error typed arrays are no arrays of jax-js
planTheater(params, { modification: ofTypedArrays });

// Averages are given the parameters at each update.
const ema = new Ema(params, { decay: 0.99 });
ema.update(params);
expectTypeOf(ema.weights).toEqualTypeOf<Readonly<Record<string, np.Array>>>();
planTheater(params, { modification: interpolate(ema.weights, 0.5), layers: "all" });
// @ts-expect-error the parameters are missing
ema.update();
// @ts-expect-error another tree
ema.update({ head: w });
// @ts-expect-error the averages of typed arrays are updated without
new memory.Ema(arrays, { decay: 0.9 }).update(arrays);

// Overlays take the modification behind the parameters.
const evaluate = overlay(
  (tree: typeof params, x: np.Array, scaling: number) => np.matmul(x, tree.head).mul(scaling),
  {
    layers: "attention",
    seed: 1,
  },
);
expectTypeOf(evaluate(params, scale(2), w, 1)).toEqualTypeOf<np.Array>();
evaluate(params, [scale(2), custom((w) => np.tanh(w))], w, 1);
evaluate.dispose();
// @ts-expect-error the modification is missing
evaluate(params, w, 1);
// @ts-expect-error an argument is missing
evaluate(params, scale(2), w);
// @ts-expect-error another tree
evaluate({ head: w }, scale(2), w, 1);
// @ts-expect-error misspelt option
overlay((tree: typeof params) => tree.head, { layer: "all" });
// @ts-expect-error it holds nothing, and has no budget
overlay((tree: typeof params) => tree.head, { budget: 1 });

// `using` needs the synchronous theater.
export async function scopes(): Promise<Receipt> {
  using theater = surgicalTheater(params, all);
  await using waiting = await surgicalTheaterAsync(params, all);
  await waiting.close();
  // @ts-expect-error an asynchronous theater closes asynchronously
  using wrong = await surgicalTheaterAsync(params, all);
  void wrong;
  return theater.close();
}
