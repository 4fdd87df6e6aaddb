/** Which tensors show modified data at the moment, for what has to treat them differently. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Rules } from "../../store.ts";
import { alias } from "./engine.ts";

/** A tensor that shows layers. */
export interface Showing {
  readonly name: string;
  readonly rules: Rules;
  /** A handle on the original. Lent: it lives as long as the theaters do that are open now. */
  original(): Tensor;
  /** A kept handle of the caller's on what is visible. */
  visible(): Tensor;
  /** Whether that handle is on data of its own, made for it. */
  readonly isMadeWhenUsed: boolean;
}

const symbol = Symbol.for("surgical-theater/showing@1");
const holder = globalThis as { [symbol]?: Map<Tensor, Showing> };

/** By the tensor of the model; of all loaded copies of this package. */
export const showing: Map<Tensor, Showing> = (holder[symbol] ??= new Map());

/** Whether a handle on what `tensor` shows is on data that is made for it. */
export function isMadeFor(tensor: Tensor): boolean {
  return showing.get(tensor)?.isMadeWhenUsed === true;
}

/** A kept handle of the caller's on what `tensor` shows, to whoever uses it in a kernel or reads it. */
export function handleOn(tensor: Tensor): Tensor {
  return showing.get(tensor)?.visible() ?? alias(tensor);
}
