/** What each quantized model is validated as, and on which digits. */
// In a project of your own: from "surgical-theater".
import { disable, lora, noise, type NumericArray, type Options, scale } from "../../src/index.ts";
import { type Adapter, alpha, loraRank } from "./adapter.ts";

export interface View {
  readonly name: string;
  readonly digits: "upright" | "shifted";
  readonly options: Options<NumericArray>;
  /** Whether a grid can show exactly this: half a scale is one too, and so is 0. */
  readonly isExact: boolean;
}

/** Views of a model for which `adapter` was trained, or of another one with the same layers. */
export function viewsFor(adapter: Adapter): readonly View[] {
  // What takes the fewest bytes. `auto` does so from 64 kB on.
  const technique = "reversible";
  const block = { layers: "block.weight", technique } as const;
  const noisy = (std: number): Options<NumericArray> => {
    return {
      modification: noise({ std, relativeTo: "parameterStd", seed: 1 }),
      layers: "*.weight",
      technique,
    };
  };
  const merged = { modification: lora(adapter, { alpha, loraRank, layout: "outIn" }), technique } as const;
  return [
    { name: "as it is", digits: "upright", options: {}, isExact: true },
    {
      name: "block × 0.5",
      digits: "upright",
      options: { modification: scale(0.5), ...block },
      isExact: true,
    },
    {
      name: "block disabled",
      digits: "upright",
      options: { modification: disable(), ...block },
      isExact: true,
    },
    { name: "noise, 5 % of std", digits: "upright", options: noisy(0.05), isExact: false },
    { name: "noise, 40 % of std", digits: "upright", options: noisy(0.4), isExact: false },
    { name: "as it is", digits: "shifted", options: {}, isExact: true },
    { name: "LoRA merged", digits: "shifted", options: merged, isExact: false },
  ];
}
