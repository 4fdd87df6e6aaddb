/** Helpers of the noise tests: bits as text, and the noise of one element written straight from its definition. */
import { latticeMagnitude, type Lattice } from "../../../src/random/lattice.ts";
import { normalMagnitude, normalTable } from "../../../src/random/normal.ts";
import { threefry4x32, type Words } from "../../../src/random/threefry.ts";

/** Words as eight hexadecimal digits each, separated by spaces. */
export function hex(words: Iterable<number>): string {
  return [...words].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join(" ");
}

/** The words that {@link hex} would print as this text. */
export function words(text: string): Words {
  const [a, b, c, d] = text.split(" ").map((digits) => Number.parseInt(digits, 16));
  return [a!, b!, c!, d!];
}

/** Bits of float32 numbers, in hexadecimal. */
export function float32Bits(values: Iterable<number>): string {
  return hex(new Uint32Array(Float32Array.from(values).buffer));
}

/** The delta of one word. */
export function deltaOfWord(word: number, { high, low, shift, quantum }: Lattice): number {
  const size = latticeMagnitude(normalMagnitude(word, normalTable()), high, low, shift) * quantum;
  return word >>> 31 === 1 ? -size : size;
}

/** Word of a global element index, by the counter layout, in arbitrary precision. */
export function wordOfElement(element: bigint, key: Words): number {
  const counter = (element >> 4n) * 4n + (element & 3n);
  const block = threefry4x32([Number(counter & 0xffffffffn), Number(counter >> 32n), 0, 0], key);
  return block[Number((element >> 2n) & 3n)]!;
}
