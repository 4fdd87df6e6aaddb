/** The text: some licences to train on, and one that the base model never sees. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { type Array as JaxArray, numpy as np } from "@jax-js/jax";
import { randomNumbers } from "../support/random.ts";

/** Characters and those that follow them, both int32 `[size, length]`. Whoever asks for one gives it away. */
export type Batch = readonly [characters: JaxArray, next: JaxArray];

/** Text as numbers of characters. */
export type Text = Int32Array<ArrayBuffer>;

export interface Texts {
  /** Nine licences, for the base model. */
  readonly base: Text;
  /** The first part of the tenth, for fine-tuning. */
  readonly tuning: Text;
  /** The rest of it, which no training sees. */
  readonly validation: Text;
  readonly vocabulary: number;
}

const heldOut = { begin: "GNU Free Documentation License", end: "Mozilla Public License Version 2.0" };
const tuningShare = 0.8;

/** Reads the licences, and holds one of them out. */
export function loadTexts(): Texts {
  const file = new URL("data/licences.txt.gz", import.meta.url);
  const text = gunzipSync(readFileSync(file)).toString("ascii");
  const alphabet = [...new Set(text)].sort();
  const numbers = Int32Array.from(text, (character) => alphabet.indexOf(character));
  const [begin, end] = [text.indexOf(heldOut.begin), text.indexOf(heldOut.end)];
  const middle = Math.round(begin + tuningShare * (end - begin));
  const base = new Int32Array(numbers.length - (end - begin));
  base.set(numbers.subarray(0, begin));
  base.set(numbers.subarray(end), begin);
  return {
    base,
    tuning: numbers.slice(begin, middle),
    validation: numbers.slice(middle, end),
    vocabulary: alphabet.length,
  };
}

/** Parts of `text` of `length` characters each, from where they begin. */
function batchOf(text: Text, begins: readonly number[], length: number): Batch {
  const shifted = (by: number): JaxArray => {
    const values = new Int32Array(begins.length * length);
    begins.forEach((begin, i) => values.set(text.subarray(begin + by, begin + by + length), i * length));
    return np.array(values, { shape: [begins.length, length] });
  };
  return [shifted(0), shifted(1)];
}

/** Batches without end, of parts that begin anywhere; the same for the same seed. */
export function* randomBatches(
  text: Text,
  size: number,
  length: number,
  seed: number,
): Generator<Batch, never> {
  const random = randomNumbers(seed);
  const begin = (): number => Math.floor(random() * (text.length - length));
  for (;;) yield batchOf(text, Array.from({ length: size }, begin), length);
}

/** One batch of `size` parts that do not overlap, spread over all of `text`. */
export function evenBatch(text: Text, size: number, length: number): Batch {
  const distance = Math.floor((text.length - 1) / size);
  if (distance < length)
    throw new RangeError(`The text is too short for ${size} parts of ${length} characters.`);
  return batchOf(
    text,
    Array.from({ length: size }, (_, i) => i * distance),
    length,
  );
}
