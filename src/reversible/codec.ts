/** One step on one parameter, a window at a time: what kernels are called with. */
import type { Kernels } from "./kernels.ts";

/** What `open` has written of a window: bytes of bits, and exceptions. */
export interface Parked {
  readonly bytes: number;
  readonly exceptions: number;
}

/** How a step modifies elements, and how they come back. All work is on the window of `kernels`. */
export interface Codec {
  /** Once, before windows are worked on. */
  begin(kernels: Kernels): void;
  /** Modifies the `count` elements of the window, the first of which is element `first` of the parameter. */
  apply(kernels: Kernels, first: number, count: number): void;
  /**
   * As `apply`, and writes to index, bits and exceptions what brings the elements back.
   *
   * @throws RangeError if a value is outside the dtype; the window is then of no use
   */
  open(kernels: Kernels, first: number, count: number): Parked;
  /** Brings the elements back, but for the exceptions, from index and bits. */
  close(kernels: Kernels, first: number, count: number): void;
}

/** The codec for a part of a parameter: what is element 0 there is element `offset` of the whole. */
export function shifted(codec: Codec, offset: number): Codec {
  if (offset === 0) return codec;
  return {
    begin: (kernels) => codec.begin(kernels),
    apply: (kernels, first, count) => codec.apply(kernels, first + offset, count),
    open: (kernels, first, count) => codec.open(kernels, first + offset, count),
    close: (kernels, first, count) => codec.close(kernels, first + offset, count),
  };
}
