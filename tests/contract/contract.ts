/**
 * The contract of a store: one suite for every store, technique and backend. A store passes it by giving a
 * {@link Harness}; what is particular to it is tested beside.
 */
import { afterAll, describe } from "vitest";
import { exactContract } from "./exact.ts";
import { faultContract } from "./faults.ts";
import type { Harness } from "./harness.ts";
import { nestingContract } from "./nesting.ts";
import { recipesOf } from "./recipes.ts";
import { sequenceContract } from "./sequences.ts";
import { surroundingsContract } from "./surroundings.ts";
import { userCodeContract } from "./user-code.ts";

/** Holds the store of `harness` to the contract. */
export function storeContract<M, V>(name: string, harness: Harness<M, V>): void {
  describe(`contract of ${name}, ${harness.technique}`, () => {
    const { recipes, free } = recipesOf(harness);
    afterAll(free);
    exactContract(harness, recipes);
    surroundingsContract(harness);
    if (harness.meets) nestingContract(harness, recipes);
    if (harness.meets) userCodeContract(harness, recipes);
    faultContract(harness, recipes);
    if (harness.meets) sequenceContract(harness, recipes);
  });
}
