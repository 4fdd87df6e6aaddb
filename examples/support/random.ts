/** A small seeded generator, so that every run has the same digits in the same order, and the same initial weights. */

/** Numbers from 0 to below 1, the same for the same seed (a Weyl sequence through MurmurHash3's finalizer). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let bits = state;
    bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
    bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
    return ((bits ^ (bits >>> 16)) >>> 0) / 2 ** 32;
  };
}

/** The numbers from 0 to `count − 1` in random order. */
export function permutation(count: number, random: () => number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/**
 * Positions of one batch after the other, without end: epoch after epoch, each in an order of its own. What does not fill
 * a batch is left out.
 */
export function* shuffledBatches(count: number, size: number, seed: number): Generator<Int32Array, never> {
  const random = randomNumbers(seed);
  for (;;) {
    const order = permutation(count, random);
    for (let begin = 0; begin + size <= order.length; begin += size)
      yield order.subarray(begin, begin + size);
  }
}
