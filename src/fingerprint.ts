/** A digest of bytes, to see whether something wrote to them. Not cryptographic. */

const rotate = (word: number, by: number): number => (word << by) | (word >>> (32 - by));

function finish(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * 16 hexadecimal digits of `view`'s bytes and length: two MurmurHash3 lanes (A. Appleby, public domain) over
 * little-endian words. Words are rotated, not only multiplied: flipping the sign of two floats must show.
 */
export function fingerprint(view: ArrayBufferView): string {
  const { buffer, byteOffset, byteLength } = view;
  let a = byteLength;
  let b = ~byteLength;
  const mix = (word: number): void => {
    a = Math.imul(rotate(a ^ rotate(Math.imul(word, 0xcc9e2d51), 15), 13), 5) + 0xe6546b64;
    b = Math.imul(rotate(b ^ rotate(Math.imul(word, 0x1b873593), 17), 11), 9) + 0x38495ab5;
  };
  const whole = byteLength & ~3;
  if (byteOffset % 4 === 0) {
    const words = new Int32Array(buffer, byteOffset, whole / 4);
    for (let i = 0; i < words.length; i++) mix(words[i]!);
  } else {
    const bytes = new DataView(buffer, byteOffset, whole);
    for (let at = 0; at < whole; at += 4) mix(bytes.getInt32(at, true));
  }
  const rest = new Uint8Array(buffer, byteOffset + whole, byteLength - whole);
  for (let i = 0; i < rest.length; i++) mix(rest[i]! + 256 * (i + 1));
  const hex = (word: number): string => finish(word).toString(16).padStart(8, "0");
  return hex(a) + hex(b);
}
