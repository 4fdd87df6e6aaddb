/** A digest of bytes, to see whether something wrote to them. Not cryptographic. */

function finish(hash: number): string {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0).toString(16).padStart(8, "0");
}

/** The bytes as whole words, and the zero-padded rest as one more; a view that is not aligned is copied. */
function wordsOf({ buffer, byteOffset, byteLength }: ArrayBufferView): { whole: Int32Array; rest: number } {
  const length = byteLength >> 2;
  const tail = new Uint8Array(buffer, byteOffset + 4 * length, byteLength - 4 * length);
  const rest = tail.reduce((word, byte, i) => word | (byte << (8 * i)), 0);
  const whole =
    byteOffset % 4 === 0
      ? new Int32Array(buffer, byteOffset, length)
      : new Int32Array(new Uint8Array(buffer, byteOffset, 4 * length).slice().buffer);
  return { whole, rest };
}

/**
 * 32 hexadecimal digits of `view`'s bytes and length, for words in the machine's byte order.
 *
 * Four lanes, two for even and two for odd words, each of xor or add, multiply by MurmurHash3's constants
 * (A. Appleby, public domain) and rotate: a bijection of the lane, so that one changed word always shows, and
 * rotated so that two flipped signs do too. Four chains keep a processor busy where one would wait.
 */
export function fingerprint(view: ArrayBufferView): string {
  const { whole, rest } = wordsOf(view);
  let a = view.byteLength | 0;
  let b = ~view.byteLength;
  let c = rest;
  let d = ~rest;
  const pairs = whole.length & ~1;
  for (let i = 0; i < pairs; i += 2) {
    const even = whole[i]!;
    const odd = whole[i + 1]!;
    a = Math.imul(a ^ even, 0xcc9e2d51);
    a = (a << 15) | (a >>> 17);
    b = Math.imul(b + even, 0x1b873593);
    b = (b << 13) | (b >>> 19);
    c = Math.imul(c ^ odd, 0x239b961b);
    c = (c << 17) | (c >>> 15);
    d = Math.imul(d + odd, 0xab0e9789);
    d = (d << 11) | (d >>> 21);
  }
  if (pairs < whole.length) {
    a = Math.imul(a ^ whole[pairs]!, 0xcc9e2d51);
    b = Math.imul(b + whole[pairs]!, 0x1b873593);
  }
  return finish(a) + finish(b) + finish(c) + finish(d);
}
