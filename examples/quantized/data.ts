/** Digits that are shifted, and digits in batches. */
import { type Digits, pixels } from "../support/digits.ts";
import { shuffledBatches } from "../support/random.ts";

const side = 8;

/** The digits one pixel further to the right, which a model that has not seen such ones reads badly. */
export function shifted({ images, labels }: Digits): Digits {
  const moved = images.map((_, i) => (i % side === 0 ? 0 : images[i - 1]!));
  return { images: moved, labels };
}

/** Batches without end, epoch after epoch; the same for the same seed. What does not fill a batch is left out. */
export function* batches({ images, labels }: Digits, size: number, seed: number): Generator<Digits, never> {
  const positions = shuffledBatches(labels.length, size, seed);
  for (;;) {
    const batch = { images: new Float32Array(size * pixels), labels: new Uint8Array(size) };
    positions.next().value.forEach((from, i) => {
      batch.images.set(images.subarray(from * pixels, (from + 1) * pixels), i * pixels);
      batch.labels[i] = labels[from]!;
    });
    yield batch;
  }
}
