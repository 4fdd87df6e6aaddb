/** Every modification of the library, beside the plain arithmetic that says what it must show. */
import type { Modification } from "../../src/modification.ts";
import { custom } from "../../src/modifications/custom.ts";
import { disable } from "../../src/modifications/disable.ts";
import { interpolate } from "../../src/modifications/interpolate.ts";
import { noise } from "../../src/modifications/noise.ts";
import { scale } from "../../src/modifications/scale.ts";
import { anyWeights, type Values } from "../support/bits.ts";
import { type Change, halfAdded, magnitude, moved, noisy, scaled, zeroed } from "../support/plain-model.ts";
import type { Harness } from "./harness.ts";

/** A modification and what it must do. */
export interface Recipe<V> {
  readonly title: string;
  readonly modification: Modification<V> | readonly Modification<V>[];
  readonly changes: readonly Change[];
}

/** All recipes for one store. `free` disposes of the arrays they lend. */
export function recipesOf<M, V>(
  harness: Harness<M, V>,
): { readonly recipes: readonly Recipe<V>[]; free(): void } {
  const { arithmetic } = harness;
  const towards: Values = anyWeights(77);
  const lent = Object.fromEntries(
    Object.entries(towards).map(([name, value]) => [name, harness.array(value, name)]),
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
  const list = (...titles: string[]): Recipe<V> => {
    const parts = titles.map((title) => single.find((recipe) => recipe.title === title)!);
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
      list("noise", "custom that returns a delta", "scale"),
    ],
    free: () => {
      for (const array of Object.values(lent)) harness.freeArray(array);
    },
  };
}
