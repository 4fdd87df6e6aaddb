/** Every modification of the library, beside the plain arithmetic that says what it must show. */
import type { Modification } from "../../src/modification.ts";
import { custom } from "../../src/modifications/custom.ts";
import { disable } from "../../src/modifications/disable.ts";
import { interpolate } from "../../src/modifications/interpolate.ts";
import { lora } from "../../src/modifications/lora.ts";
import { noise } from "../../src/modifications/noise.ts";
import { scale } from "../../src/modifications/scale.ts";
import { anyWeights, shapes, smallFloats, type Values } from "../support/bits.ts";
import {
  type Change,
  halfAdded,
  lowRankAdded,
  magnitude,
  moved,
  noisy,
  scaled,
  zeroed,
} from "../support/plain-model.ts";
import type { Harness } from "./harness.ts";

/** A modification and what it must do. */
export interface Recipe<V> {
  readonly title: string;
  readonly modification: Modification<V> | readonly Modification<V>[];
  readonly changes: readonly Change[];
}

/**
 * Factors of one row and one column for each matrix, [inputs, outputs]: every product is rounded once, in whatever order
 * a store multiplies.
 */
const factors = Object.fromEntries(
  Object.entries(shapes)
    .filter(([, shape]) => shape.length === 2)
    .map(([name, [inputs, outputs]], i) => [
      name,
      { a: smallFloats(inputs!, 40 + i), b: smallFloats(outputs!, 50 + i) },
    ]),
);

/** All recipes for one store. `free` disposes of the arrays they lend. */
export function recipesOf<M, V>(
  harness: Harness<M, V>,
): { readonly recipes: readonly Recipe<V>[]; free(): void } {
  const { arithmetic } = harness;
  const towards: Values = anyWeights(77);
  const lent = Object.fromEntries(
    Object.entries(towards).map(([name, value]) => [name, harness.array(value, shapes[name]!)]),
  );
  const adapter = Object.fromEntries(
    Object.entries(factors).map(([name, { a, b }]) => [
      name,
      { a: harness.array(a, [1, a.length]), b: harness.array(b, [b.length, 1]) },
    ]),
  );
  const single: readonly Recipe<V>[] = [
    { title: "scale", modification: scale(0.9), changes: [scaled(0.9, arithmetic)] },
    { title: "noise", modification: noise({ std: 0.01, seed: 3 }), changes: [noisy(0.01, 3, arithmetic)] },
    { title: "disable", modification: disable(), changes: [zeroed] },
    {
      title: "custom that returns a delta",
      modification: custom<V>((array) => harness.half(array)),
      changes: [halfAdded(arithmetic)],
    },
    {
      title: "custom that returns a value",
      modification: custom<V>((array) => harness.magnitude(array), { returns: "value" }),
      changes: [magnitude],
    },
    {
      title: "interpolate, all the way",
      modification: interpolate(lent),
      changes: [{ once: false, of: (_, name) => towards[name]! }],
    },
    {
      title: "interpolate, part of the way",
      modification: interpolate(lent, 0.3),
      changes: [scaled(1 - 0.3, arithmetic), moved(towards, 0.3, arithmetic)],
    },
  ];
  /** Of matrices alone: other parameters have to be modified by another one, so that a theater is on all of them. */
  const ofMatrices: Recipe<V> = {
    title: "lora",
    // The scaling is a power of two, and whichever factor has it, nothing is rounded.
    modification: lora(adapter, { alpha: 0.5, loraRank: 1, layout: "inOut" }),
    changes: [lowRankAdded(factors, 0.5, arithmetic)],
  };
  const list = (...titles: string[]): Recipe<V> => {
    const parts = titles.map((title) => [...single, ofMatrices].find((recipe) => recipe.title === title)!);
    return {
      title: titles.join(", then "),
      modification: parts.flatMap(({ modification }) => modification),
      changes: parts.flatMap(({ changes }) => changes),
    };
  };
  return {
    recipes: [
      ...single,
      list("scale", "noise"),
      list("disable", "noise"),
      list("lora", "scale"),
      list("noise", "lora"),
      list("noise", "custom that returns a delta", "scale"),
    ],
    free: () => {
      for (const array of Object.values(lent)) harness.freeArray(array);
      for (const { a, b } of Object.values(adapter)) [a, b].forEach((array) => harness.freeArray(array));
    },
  };
}
