/** What the types of "surgical-theater" accept, and what they refuse. */
import { expectTypeOf } from "vitest";
import {
  type AsyncSurgicalTheater,
  custom,
  disable,
  Ema,
  interpolate,
  type Modification,
  noise,
  type Options,
  planTheater,
  type Receipt,
  scale,
  type SurgicalTheater,
  surgicalTheater,
  surgicalTheaterAsync,
  withTheater,
  withTheaterAsync,
} from "../../src/index.ts";

const weights = { kernel: Float32Array.of(1, 2), codes: Int8Array.of(3) };
const loss = (): number => weights.kernel[0]!;

// Results are what the function returns.
const number = withTheater(weights, { modification: scale(0.5), layers: "all" }, () => 1 + loss());
expectTypeOf(number).toEqualTypeOf<number>();
const pair = withTheater(weights, {}, () => ({ loss: loss(), name: "half" }));
expectTypeOf(pair).toEqualTypeOf<{ loss: number; name: string }>();
const nothing = withTheater(weights, {}, () => {});
expectTypeOf(nothing).toEqualTypeOf<void>();
const maybe = withTheater(weights, {}, (): number | undefined => weights.kernel[9]);
expectTypeOf(maybe).toEqualTypeOf<number | undefined>();
const text = withTheater<string>(weights, {}, () => "done");
expectTypeOf(text).toEqualTypeOf<string>();
const awaited = withTheaterAsync(weights, {}, async () => loss());
expectTypeOf(awaited).toEqualTypeOf<Promise<number>>();
const notAwaited = withTheaterAsync(weights, {}, loss);
expectTypeOf(notAwaited).toEqualTypeOf<Promise<number>>();

// A theater has a type that can be named.
const opened: SurgicalTheater = surgicalTheater(weights, {});
expectTypeOf(opened.close()).toEqualTypeOf<Receipt>();
const openedAsync: AsyncSurgicalTheater = await surgicalTheaterAsync(weights, {});
expectTypeOf(openedAsync.close()).toEqualTypeOf<Promise<Receipt>>();

// So do the results of a function around a theater.
const around = <R>(fn: () => R): Promise<R> => withTheaterAsync(weights, {}, fn);
expectTypeOf(around(loss)).toEqualTypeOf<Promise<number>>();

// A synchronous theater would close before what is awaited.
// @ts-expect-error use withTheaterAsync
void withTheater(weights, {}, async () => loss());
// @ts-expect-error use withTheaterAsync
void withTheater(weights, {}, () => Promise.resolve(1));
// @ts-expect-error it may return a promise
void withTheater(weights, {}, (): number | Promise<number> => loss());
// @ts-expect-error the function is missing
withTheater(weights, {});

// A literal is the same as a builder.
export const modifications: readonly Modification<Float32Array>[] = [
  { type: "scale", factor: 0.5 },
  { type: "noise", std: 0.1, seed: 1 },
  { type: "noise", std: 0.1, relativeTo: "parameterStd" },
  { type: "disable" },
  { type: "custom", fn: (w) => w.map((x) => 2 * x), returns: "value" },
  { type: "interpolate", towards: { kernel: Float32Array.of(1, 2) }, amount: 0.5 },
  scale(0.5),
  noise({ std: 0.1, seed: 1 }),
  disable(),
  custom<Float32Array>((w) => w),
  interpolate({ kernel: Float32Array.of(1, 2) }),
];
planTheater(weights, { modification: { type: "scale", factor: 0.5 }, layers: "all" });
planTheater(weights, { modification: [scale(0.5), { type: "disable" }], layers: ["kernel", /codes/, 0] });
planTheater(weights, {
  modification: disable(),
  layers: ({ name, shape }) => name === "kernel" && shape.length > 1,
});
// @ts-expect-error misspelt type
planTheater(weights, { modification: { type: "scael", factor: 0.5 } });
// @ts-expect-error misspelt property
planTheater(weights, { modification: { type: "scale", facter: 0.5 } });
// @ts-expect-error a property of another modification
planTheater(weights, { modification: { type: "disable", factor: 0.5 } });
// @ts-expect-error a factor is a number
scale("0.5");
// @ts-expect-error a std is required
noise({ seed: 1 });
// @ts-expect-error misspelt property
noise({ std: 1, sede: 1 });
// @ts-expect-error misspelt value
noise({ std: 1, seed: 1, relativeTo: "std" });
// @ts-expect-error values need names
interpolate([Float32Array.of(1)]);

// Options: misspelt names and values, and values of another kind.
// @ts-expect-error misspelt option
planTheater(weights, { modificaton: scale(0.5) });
// @ts-expect-error misspelt value
planTheater(weights, { onWrite: "discrad" });
// @ts-expect-error misspelt technique
planTheater(weights, { technique: "swpa" });
// @ts-expect-error verify is no boolean
planTheater(weights, { verify: true });
// @ts-expect-error a budget is in bytes
planTheater(weights, { budget: "1 MB" });
// @ts-expect-error the controller in place of its signal
planTheater(weights, { signal: new AbortController() });
// @ts-expect-error what it returns is called at closing
planTheater(weights, { alsoRestore: () => undefined });
// @ts-expect-error an asynchronous predicate is true for everything
planTheater(weights, { modification: disable(), layers: async () => false });
// @ts-expect-error options are required: {} guards a plain validation
surgicalTheater(weights);

// Options are only read.
export const options: Options<Float32Array> = { modification: scale(0.5), layers: "all" };
// @ts-expect-error readonly
options.layers = "attention";
// @ts-expect-error readonly
scale(0.5).factor = 2;
const frozen = { modification: [scale(0.5)], layers: ["kernel"], onWrite: "discard" } as const;
planTheater(Object.freeze(weights), frozen);

// `custom` knows its arrays from where it is used.
planTheater(weights, { modification: custom((w) => w.map((x) => 2 * x)), layers: "all" });
planTheater(weights, {
  modification: [custom((w) => w.map((x) => x + 1), { returns: "value" })],
  layers: "all",
});
planTheater(weights, {
  modification: custom((w, { name }) => (name === "kernel" ? w : w.fill(0))),
  layers: "all",
});
planTheater(weights, { modification: custom<Float32Array>((w) => w.map((x) => 2 * x)), layers: "all" });
planTheater(weights, { modification: custom((w: Float32Array) => w.subarray(0)), layers: "all" });
const standalone = custom<Float32Array>((w) => w.map((x) => 2 * x), { returns: "value" });
planTheater(weights, { modification: standalone, layers: "all" });
// @ts-expect-error a promise is no array
planTheater(weights, { modification: custom(async (w) => w), layers: "all" });
// @ts-expect-error a number is no array
planTheater(weights, { modification: custom(() => 0), layers: "all" });
// @ts-expect-error it returns nothing
planTheater(weights, { modification: custom<Float32Array>(() => {}), layers: "all" });
// @ts-expect-error misspelt value
custom<Float32Array>((w) => w, { returns: "values" });

// Averages.
const ema = new Ema(weights, { decay: 0.99 });
planTheater(weights, { modification: interpolate(ema.weights) });
planTheater(weights, { modification: interpolate(ema.weights, 0.5), layers: "all" });
planTheater(weights, { modification: interpolate({ kernel: Float32Array.of(3, 4) }) });
planTheater(weights, { modification: { type: "interpolate", towards: ema.weights } });
// @ts-expect-error values by name, not the average itself
planTheater(weights, { modification: interpolate(ema) });
// @ts-expect-error a decay is required
export const undecided = new Ema(weights, {});
// @ts-expect-error misspelt option
export const misspelt = new Ema(weights, { decay: 0.99, biasCorrecton: true });

// Models.
planTheater({ half: { data: new Uint16Array(4), shape: [2, 2], dtype: "bfloat16" } }, {});
planTheater({ "blocks.0.attn": new Float64Array(4), ids: new Int32Array(1) }, {});
// @ts-expect-error 16 bits may be float16 or bfloat16
planTheater({ half: new Uint16Array(4) }, {});
// @ts-expect-error misspelt dtype
planTheater({ half: { data: new Uint16Array(4), shape: [4], dtype: "bf16" } }, {});
// @ts-expect-error strides are not supported
planTheater({ kernel: { data: new Float32Array(4), shape: [4], dtype: "float32", strides: [1] } }, {});
// @ts-expect-error plain lists are no typed arrays
planTheater({ kernel: [1, 2, 3] }, {});
// @ts-expect-error parameters need names
planTheater(new Float32Array(4), {});

// `using` needs the synchronous theater, `await using` takes both.
export async function scopes(): Promise<Receipt> {
  using theater = surgicalTheater(weights, {});
  await using waiting = await surgicalTheaterAsync(weights, {});
  await waiting.close();
  // @ts-expect-error an asynchronous theater closes asynchronously
  using wrong = await surgicalTheaterAsync(weights, {});
  void wrong;
  return theater.close();
}
