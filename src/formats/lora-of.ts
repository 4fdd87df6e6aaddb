/** From an adapter that was read to what the `lora` modification takes. */
import { describeValue } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import type { LoraFactors, LoraOptions } from "../modifications/adapter.ts";
import { type ModuleNames, parametersOf } from "./module-names.ts";
import { type PeftAdapter, type PeftEntry, product } from "./peft.ts";

/** How a model's parameters are called and stored. */
export interface LoraOfOptions {
  /**
   * Parameters by module, where the names do not say it: a table, or a function that may return undefined to leave a
   * module to the defaults.
   */
  readonly names?: ModuleNames;
  /**
   * How dense and convolution kernels of the model are stored. `"outIn"` (default): [outputs, ...inputs], as in
   * PyTorch. `"inOut"`: [...inputs, outputs], as in TensorFlow.js, whose convolutions are [height, width, in, out].
   */
  readonly kernels?: "outIn" | "inOut";
}

/** What `lora(adapter, options)` takes. */
export interface LoraArguments {
  readonly adapter: Readonly<Record<string, LoraFactors<Float32Array>>>;
  readonly options: LoraOptions;
}

/**
 * The arguments of `lora` for a model: each module's factors by the name of its parameter, with its own rank, alpha and
 * layout. All modules find their parameter, or none is used.
 *
 * Module `model.layers.0.self_attn.q_proj` finds `….weight`, itself, and other spellings: `selfAttn.qProj.weight`,
 * `self_attn/q_proj/kernel`, with and without `model` or `transformer` before all.
 *
 * @param peft - lent: factors are passed on without a copy, but those of convolutions with `kernels: "inOut"`
 * @param parameters - names of the model's parameters
 * @throws FormatError `no_parameter` for all modules that do not fit, with the nearest names; TypeError for options
 * @example
 * import { lora, withTheater } from "surgical-theater";
 * import { loraOf, type PeftAdapter, peftOf } from "surgical-theater/formats";
 *
 * const factors = { a: Float32Array.of(1, 2), b: Float32Array.of(3) };
 * const peft: PeftAdapter = peftOf({ adapter: { "head.weight": factors }, alpha: 1, loraRank: 1 }); // or from readPeft
 * const weights = { "head.weight": { data: Float32Array.of(1, 1), shape: [1, 2], dtype: "float32" } } as const;
 * const { adapter, options } = loraOf(peft, Object.keys(weights));
 * withTheater(weights, { modification: lora(adapter, options) }, () => console.log(weights["head.weight"].data)); // [4, 7]
 */
export function loraOf(
  peft: PeftAdapter,
  parameters: Iterable<string>,
  options: LoraOfOptions = {},
): LoraArguments {
  for (const key of Object.keys(options)) {
    if (key === "names" || key === "kernels") continue;
    throw new TypeError(
      `loraOf: unknown option ${JSON.stringify(key)}.${didYouMean(key, ["names", "kernels"])}`,
    );
  }
  const { names, kernels = "outIn" } = options;
  if (kernels !== "outIn" && kernels !== "inOut") {
    throw new TypeError(`loraOf: kernels must be "outIn" or "inOut", got ${describeValue(kernels)}.`);
  }
  const { config, entries } = peft;
  const parameterOf = parametersOf(entries.keys(), parameters, names);
  const adapter: [string, LoraFactors<Float32Array>][] = [];
  for (const [module, entry] of entries) {
    const { kind, a, b, magnitude, alpha, loraRank } = entry;
    // An embedding is [vocabulary, features] everywhere: its inputs come first.
    const isInOut = kernels === "inOut" || kind === "embedding" || (kind === "linear" && config.fanInFanOut);
    adapter.push([
      parameterOf.get(module)!,
      {
        a: kind === "conv" && isInOut ? channelsLast(entry) : a,
        b,
        ...(magnitude !== undefined && { magnitude }),
        alpha,
        loraRank,
        layout: isInOut ? "inOut" : "outIn",
      },
    ]);
  }
  const { alpha, loraRank, rsLora } = config;
  return { adapter: Object.fromEntries(adapter), options: { alpha, loraRank, ...(rsLora && { rsLora }) } };
}

/** `a` of a convolution, [loraRank, channels, ...window], as [loraRank, ...window, channels]. */
function channelsLast({ a, loraRank, inputs: [channels = 1, ...window] }: PeftEntry): Float32Array {
  const places = product(window);
  const moved = new Float32Array(a.length);
  for (let row = 0; row < loraRank; row++) {
    const start = row * channels * places;
    for (let channel = 0; channel < channels; channel++) {
      for (let place = 0; place < places; place++) {
        moved[start + place * channels + channel] = a[start + channel * places + place]!;
      }
    }
  }
  return moved;
}
