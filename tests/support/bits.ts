/** Bits as text, to compare and to read in a failure; and weights that hold every kind of float. */

/** Values by parameter name. */
export type Values = Readonly<Record<string, Float32Array>>;

/** The bytes of a view in hexadecimal: equal text, equal bits. */
export function bits({ buffer, byteOffset, byteLength }: ArrayBufferView): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("hex");
}

/** As {@link bits}, but every NaN alike: no operation defines the payload of a NaN it computes. */
export function numbers(values: Float32Array): string {
  const same = Float32Array.from(values);
  for (const [i, value] of values.entries()) if (Number.isNaN(value)) same[i] = NaN;
  return bits(same);
}

/** `of` every value, by name. */
export function each(values: Values, of: (value: Float32Array) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, of(value)]));
}

/** Quiet and signalling NaNs with payloads, both zeros and infinities, subnormals, the extremes, ±1. */
const special = Uint32Array.of(
  0x7fc00000,
  0x7f800001,
  0xffc12345,
  0xff8abcde,
  0x00000000,
  0x80000000,
  0x7f800000,
  0xff800000,
  0x00000001,
  0x80000001,
  0x007fffff,
  0x807ffffe,
  0x00800000,
  0x7f7fffff,
  0xff7fffff,
  0x3f800000,
  0xbf800000,
);

/** `length` floats: the special ones first, then any bits at all, the same for the same seed. */
export function anyFloats(length: number, seed: number): Float32Array {
  let state = (seed * 0x9e3779b1) | 1;
  const words = Uint32Array.from({ length }, (_, i) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return special[i] ?? state >>> 0;
  });
  return new Float32Array(words.buffer);
}

/** `length` floats of the size of weights, the same for the same seed. */
export function smallFloats(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin(seed * 100 + i * 1.7) / 3);
}

/** Shapes of {@link anyWeights}: one crosses the windows in which memory is modified, two share a size. */
export const shapes: Readonly<Record<string, readonly number[]>> = {
  "block.attn.kernel": [4, 6],
  "block.attn.bias": [6],
  "block.mlp.kernel": [6, 4],
  "head.table": [25, 45],
  "head.gain": [1],
};

/** Floats of every kind for each of {@link shapes}. */
export function anyWeights(seed = 1): Values {
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape], i) => {
      const size = shape.reduce((product, n) => product * n, 1);
      return [name, anyFloats(size, seed + i)];
    }),
  );
}
