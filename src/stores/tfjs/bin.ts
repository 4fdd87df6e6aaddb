/** Tensors that are done with. Disposing of one can fail, and must not keep anything else from being put back. */
import type { Tensor } from "@tensorflow/tfjs-core";

/** Disposes of tensors at once where it can, and keeps the others for another try. */
export class Bin {
  readonly #tensors = new Set<Tensor>();

  /** Disposes of `tensor`, or keeps it for {@link empty}. Never throws. */
  readonly put = (tensor: Tensor): void => {
    try {
      tensor.dispose();
    } catch {
      this.#tensors.add(tensor);
    }
  };

  /** Tries again with what is left. @throws what the first of them throws; it and those after it are kept */
  empty(): void {
    for (const tensor of this.#tensors) {
      tensor.dispose();
      this.#tensors.delete(tensor);
    }
  }
}
