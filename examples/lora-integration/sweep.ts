/** How strong should the adapter be? One validation for each factor of alpha. */
import { tree } from "@jax-js/jax";
// In a project of your own: from "surgical-theater/jax".
import { overlay } from "../../src/jax.ts";
import type { Loss } from "./gpt.ts";
import type { Adapter } from "./lora.ts";
import { asModification, type Validation } from "./validate.ts";

/** Factors of alpha: none of the adapter, as it was trained, and beyond. */
export const strengths = [0, 0.25, 0.5, 1, 1.5, 2];

/** One validation in each of the two ways, which give the same. */
export interface Trial {
  readonly strength: number;
  readonly inTheater: number;
  readonly inOverlay: number;
  readonly theaterMs: number;
  readonly overlayMs: number;
}

/**
 * Validates every strength, in a theater and in an `overlay`, which takes the modification as an argument of the compiled
 * function. It compiles where it first meets a modification of another kind: without an adapter, and with one.
 */
export function sweep(validation: Validation, adapter: Adapter, loss: Loss): readonly Trial[] {
  const overlaid = overlay(loss);
  const inOverlay = (strength: number): number =>
    overlaid(tree.ref(validation.base), asModification(adapter, strength), ...validation.batch).item();
  const trials = strengths.map((strength) => {
    const begin = performance.now();
    const inTheater = validation.inTheater(adapter, strength).loss;
    const middle = performance.now();
    const inOverlayToo = inOverlay(strength);
    const end = performance.now();
    return {
      strength,
      inTheater,
      inOverlay: inOverlayToo,
      theaterMs: middle - begin,
      overlayMs: end - middle,
    };
  });
  overlaid.dispose();
  return trials;
}
