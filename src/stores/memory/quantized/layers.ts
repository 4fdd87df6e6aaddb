/** What it takes to show layers again, when another one has opened above or closed below. */
import type { NumericArray } from "../../../dtypes/dtype.ts";
import { fingerprint } from "../../../fingerprint.ts";
import { isComputed, operandsOf, type Step } from "../../../step.ts";
import type { Layer } from "../../../store.ts";
import { factorBytes, withOwnOperands } from "../operands.ts";
import { isPlain } from "../steps.ts";

type OneLayer = Layer<NumericArray>;
export type Layers = readonly OneLayer[];

/** Whether what a layer makes is made once, at opening, and stays whatever becomes of those below it. */
export function isMadeOnce({ steps }: OneLayer): boolean {
  return steps.some(({ op }) => op === "replace");
}

/** Whether all steps can be taken in one go: alone also those of a replacement, which then has nothing below it. */
export function areTakenTogether(layers: Layers): boolean {
  if (layers.length > 1) return !layers.some(isMadeOnce);
  return layers.every(({ steps }) => steps.every(isPlain));
}

/** Whether these are the same ones. */
export function areSame(before: Layers, layers: Layers): boolean {
  return layers.length === before.length && layers.every((layer, level) => layer === before[level]);
}

/** What a layer computes with that the user has lent: factors of low-rank deltas, and values to be added. */
function lentTo({ steps }: OneLayer): readonly NumericArray[] {
  return steps.flatMap((step) => (step.op === "add" ? operandsOf(step) : []));
}

/** Bytes of what the user has lent to a layer. */
export function lentBytes(layer: OneLayer): number {
  return lentTo(layer).reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** Tells whether anything has changed in what the user has lent. */
export function digestOfLent(layer: OneLayer): string {
  return lentTo(layer).map(fingerprint).join();
}

/** The layer with copies of what the user has lent. */
export function withOwnArrays({ steps }: OneLayer): OneLayer {
  return { steps: steps.map((step) => (step.op === "add" ? withOwnOperands(step) : step)) };
}

/** Stands for steps whose result is visible, or kept: nobody computes it again. */
const made: Step<NumericArray> = {
  op: "replace",
  by: {
    kind: "derived",
    elementwise: false,
    derive() {
      throw new Error("This result is made already, and is kept.");
    },
  },
};

/** Lets go of the factors that were made for a layer, which is alone: from now on it is made once. */
export function forgetFactors(layer: OneLayer): void {
  if (ownBytes([layer]) === 0) return;
  // Whether a layer runs user code must not change while its theater opens.
  layer.steps = [...layer.steps.filter(isComputed), made];
}

/** Bytes of factors along an axis: they are made for a layer. */
export function ownBytes(layers: Layers): number {
  return layers.flatMap(({ steps }) => steps).reduce((sum, step) => sum + scaleBytes(step), 0);
}

function scaleBytes(step: Step<NumericArray>): number {
  return step.op === "scale" ? factorBytes(step) : 0;
}
