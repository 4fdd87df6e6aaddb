/** Weights of a model kept for later, without a copy: handles on their data, which training leaves behind. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { isFloat } from "../../layers.ts";
import { alias, exchange } from "./engine.ts";
import { readLayersModel } from "./layers-model.ts";
import type { Entry } from "./parameters.ts";
import { handleOn, showing } from "./showing.ts";

/** The floating-point parameters of a model as they were when they were taken, statistics included. */
export class KeptWeights {
  readonly #entries: readonly Entry[];
  readonly #handles = new Map<Entry, Tensor>();

  /** @param model - a built model; nothing is taken yet */
  constructor(model: LayersModel) {
    this.#entries = readLayersModel(model).entries.filter(({ parameter }) => isFloat(parameter));
  }

  /** Takes what those parameters show that a theater modifies (`"modified"`), or those that none does. */
  take(which: "modified" | "unmodified"): void {
    for (const entry of this.#entries) {
      if (showing.has(entry.tensor) === (which === "modified")) {
        this.#handles.set(entry, handleOn(entry.tensor));
      }
    }
  }

  /** By parameter name. Lent: they end with `free`. */
  get byName(): Readonly<Record<string, Tensor>> {
    return Object.fromEntries([...this.#handles].map(([{ parameter }, handle]) => [parameter.name, handle]));
  }

  /** Their size in bytes. */
  get bytes(): number {
    return [...this.#handles.keys()].reduce((sum, { parameter }) => sum + parameter.bytes, 0);
  }

  /** Puts them into the model, on which no theater is open, bit for bit and without a copy. They stay kept. */
  restore(): void {
    // All handles before the first exchange, so that a failure changes nothing.
    const restored = [...this.#handles].map(([{ tensor }, handle]) => ({ tensor, handle: alias(handle) }));
    for (const { tensor, handle } of restored) {
      exchange(tensor, handle);
      handle.dispose();
    }
  }

  /** Disposes of the handles. */
  free(): void {
    for (const [entry, handle] of this.#handles) {
      handle.dispose();
      this.#handles.delete(entry);
    }
  }
}
