/** Zeros that all disabled parameters of one theater share: one buffer on each device, of the size of the largest there. */
import { free, type JaxArray, upload } from "./arrays.ts";

/** Fewer elements jax-js does not keep in memory, but makes anew in every kernel. */
const FEWEST = 128;

/** Whether arrays of this dtype can be on the memory of float32 zeros. */
export function sharesZeros(dtype: string): boolean {
  return dtype === "float32" || dtype === "int32" || dtype === "uint32";
}

/** What parameters on one device share. */
interface Share {
  elements: number;
  /** As bytes that are counted once. It is right when all have reserved, so it is one object for all. */
  readonly bytes: Map<string, number>;
  array: JaxArray | undefined;
}

export class Zeros {
  readonly #byDevice = new Map<string, Share>();

  #on(device: string): Share {
    let share = this.#byDevice.get(device);
    if (share === undefined) {
      share = { elements: FEWEST, bytes: new Map(), array: undefined };
      this.#byDevice.set(device, share);
    }
    return share;
  }

  /** Sees to it that there will be zeros for `array`, and for the largest of all. */
  reserve({ device, size }: JaxArray): void {
    const share = this.#on(device);
    share.elements = Math.max(share.elements, size);
    share.bytes.set(`zeros on ${device}`, 4 * share.elements);
  }

  /** What an array on this device shares. */
  bytesOn(device: string): ReadonlyMap<string, number> {
    return this.#on(device).bytes;
  }

  /** An array of zeros of the caller's, on the memory that all share, with shape, dtype and device of `like`. */
  take(like: JaxArray): JaxArray {
    const share = this.#on(like.device);
    share.array ??= upload(new Float32Array(share.elements), [share.elements], like);
    const own = share.array.ref.slice([0, like.size]).reshape(like.shape);
    return own.dtype === like.dtype ? own : own.view(like.dtype);
  }

  free(): void {
    for (const { array } of this.#byDevice.values()) if (array !== undefined) free(array);
    this.#byDevice.clear();
  }
}
