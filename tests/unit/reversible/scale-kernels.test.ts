/** Scaling in both sets of kernels: the same bytes, the rounded product on show, and every bit back. */
import { describe, expect, it } from "vitest";
import { bfloat16Tables } from "../../../src/reversible/bfloat16-tables.ts";
import { COMPACT, EXACT, PLANE, type Kernels } from "../../../src/reversible/kernels.ts";
import {
  BITS,
  BITS_BYTES,
  BLOCK,
  INDEX,
  OPERANDS,
  TABLES,
  WINDOW,
  WINDOW_BYTES,
} from "../../../src/reversible/layout.ts";
import { referenceKernels } from "../../../src/reversible/reference.ts";
import { scaleRange } from "../../../src/reversible/scale-range.ts";
import { wasmKernels } from "../../../src/reversible/wasm.ts";

const wasm = wasmKernels();
const reference = referenceKernels();

const RAW = 2 ** 31;

const FACTORS = [0.9, 1 / 3, 1.1, -Math.SQRT1_2, 1.9999999, 1.0000001, 0.99999994, 3.3, 1e-5, 12345.678].map(
  Math.fround,
);
const POWERS_OF_TWO = [0.5, 2, -4];
const MODES = { compact: COMPACT, plane: PLANE } as const;

const word = new Uint32Array(1);
const number = new Float32Array(word.buffer);

function bitsOf(value: number): number {
  number[0] = value;
  return word[0]!;
}

function valueOf(bits: number): number {
  word[0] = bits;
  return number[0]!;
}

/** A xorshift generator: a failure can be repeated. */
function randomWords(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

const random = randomWords(0x12345678);
const uniform = (): number => (random() + 0.5) / 2 ** 32;
const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
const sign = (): number => (random() & 1) * 2 - 1;

/** float32 bits of one element, by kind of weights. */
const KINDS = {
  "random bits": random,
  normals: () => bitsOf(normal() * 0.02),
  "normals on many scales": () => bitsOf(normal() * 10 ** (uniform() * 20 - 15)),
  "mostly zeros of both signs": () => (uniform() < 0.7 ? random() & RAW : bitsOf(normal())),
  "powers of two": () => bitsOf(sign() * 2 ** ((random() % 40) - 30)),
  subnormals: () => random() & 0x80ffffff,
  "NaN, infinity and −0": () =>
    [0x7fc00123, 0x7f800001, 0xffffffff, 0x7fffffff, 0x7f800000, 0xff800000, 0x80000000][random() % 7]!,
  "near the largest": () => 0x7f000000 + (random() & 0x807fffff),
} satisfies Record<string, () => number>;

/** A scale of one window: what differs between the formats. */
interface Scale {
  readonly bytesPerElement: 2 | 4;
  apply(kernels: Kernels, count: number): void;
  open(kernels: Kernels, count: number): number;
  close(kernels: Kernels, count: number): void;
  /** Bits of the product of element i, undefined for a NaN: its bits may differ from engine to engine. */
  product(bits: number, i: number): number | undefined;
}

function scaleFloat32(factor: number | Float32Array<ArrayBuffer>, mode: number): Scale {
  const each = typeof factor !== "number";
  const sizes = each ? factor.map(Math.abs) : [Math.abs(factor)];
  const [low, high] = scaleRange(Math.min(...sizes), Math.max(...sizes));
  const uniformFactor = each ? 0 : factor;
  const put = ({ buffer }: Kernels): void => {
    if (each) new Float32Array(buffer, OPERANDS).set(factor);
  };
  return {
    bytesPerElement: 4,
    apply(kernels, count) {
      put(kernels);
      kernels.scaleFloat32(count, uniformFactor, each);
    },
    open(kernels, count) {
      put(kernels);
      return kernels.scaleFloat32Open(count, uniformFactor, each, mode, low, high);
    },
    close(kernels, count) {
      put(kernels);
      kernels.scaleFloat32Close(count, uniformFactor, each, mode);
    },
    product(bits, i) {
      const product = Math.fround(valueOf(bits) * (each ? factor[i]! : factor));
      return Number.isNaN(product) ? undefined : bitsOf(product);
    },
  };
}

/** rne16(fl32(p · factor)), by comparing with the two candidates. */
function bfloat16Product(bits: number, factor: number): number | undefined {
  const product = Math.fround(valueOf(bits << 16) * factor);
  if (Number.isNaN(product)) return undefined;
  const exact = bitsOf(product);
  const below = exact >>> 16;
  const rest = exact & 0xffff;
  return rest > 0x8000 || (rest === 0x8000 && (below & 1) === 1) ? below + 1 : below;
}

function scaleBfloat16(factor: number, mode: number): Scale {
  const { lookup, base, sign: signBit, low, high } = bfloat16Tables(factor);
  return {
    bytesPerElement: 2,
    apply: (kernels, count) => kernels.scaleBfloat16(count, factor),
    open(kernels, count) {
      new Uint8Array(kernels.buffer, TABLES).set(lookup);
      return kernels.scaleBfloat16Open(count, factor, mode, low, high);
    },
    close: (kernels, count) => kernels.scaleBfloat16Close(count, mode, base, signBit),
    product: (bits) => bfloat16Product(bits, factor),
  };
}

type Patterns = Uint32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

function windowOf({ buffer }: Kernels, { bytesPerElement }: Scale): Patterns {
  const length = WINDOW_BYTES / bytesPerElement;
  return bytesPerElement === 4
    ? new Uint32Array(buffer, WINDOW, length)
    : new Uint16Array(buffer, WINDOW, length);
}

/** Puts elements into the window, zeros behind them. */
function fill(window: Patterns, elements: Patterns): void {
  window.fill(0);
  window.set(elements);
}

function isSame(a: Patterns | Uint8Array, b: Patterns | Uint8Array): boolean {
  return (
    Buffer.compare(
      Buffer.from(a.buffer, a.byteOffset, a.byteLength),
      Buffer.from(b.buffer, b.byteOffset, b.byteLength),
    ) === 0
  );
}

/** Fails for an element that does not show its product; makes NaNs 0, so that the rest can be compared. */
function checkProducts(shown: Patterns, elements: Patterns, scale: Scale, what: string): void {
  for (let i = 0; i < shown.length; i++) {
    const product = scale.product(elements[i]!, i);
    if (product === undefined) {
      const value = valueOf(scale.bytesPerElement === 4 ? shown[i]! : shown[i]! << 16);
      if (!Number.isNaN(value)) expect.fail(`${what}: a NaN became ${value}`);
      shown[i] = 0;
    } else if (shown[i] !== product) {
      expect.fail(`${what}: element ${i}, ${elements[i]!.toString(16)}, shows ${shown[i]!.toString(16)}`);
    }
  }
}

/** Everything that opening writes. */
interface Opened {
  readonly shown: Patterns;
  readonly index: Uint32Array<ArrayBuffer>;
  readonly parked: Uint8Array<ArrayBuffer>;
}

/** Applies, opens and closes with one set of kernels, and checks products, zeros behind and the way back. */
function roundTrip(kernels: Kernels, elements: Patterns, scale: Scale, what: string): Opened {
  const window = windowOf(kernels, scale);
  const count = elements.length;
  const blocks = Math.ceil(count / BLOCK);
  const behind = window.subarray(count, blocks * BLOCK);

  fill(window, elements);
  scale.apply(kernels, count);
  const applied = window.slice(0, count);
  checkProducts(applied, elements, scale, `${kernels.name} applied, ${what}`);
  expect(behind.every((bits) => bits === 0)).toBe(true);

  fill(window, elements);
  const bits = new Uint8Array(kernels.buffer, BITS, BITS_BYTES).fill(0xa5);
  const bytes = scale.open(kernels, count);
  const index = new Uint32Array(kernels.buffer, INDEX, blocks).slice();
  const shown = window.slice(0, count);
  checkProducts(shown, elements, scale, `${kernels.name} opened, ${what}`);
  expect(behind.every((bits) => bits === 0)).toBe(true);

  const parked = bits.slice(0, bytes);
  bits.fill(0x5a, bytes);
  scale.close(kernels, count);
  expect(isSame(window.subarray(0, count), elements), `${kernels.name} restores ${what}`).toBe(true);
  expect(behind.every((bits) => bits === 0)).toBe(true);
  return { shown, index, parked };
}

/** {@link roundTrip} with both, which must write the same. */
function roundTripBoth(elements: Patterns, scale: Scale, what: string): Opened {
  const opened = roundTrip(wasm, elements, scale, what);
  const other = roundTrip(reference, elements, scale, what);
  expect(isSame(opened.shown, other.shown), `p' of ${what}`).toBe(true);
  expect(isSame(opened.index, other.index), `index of ${what}`).toBe(true);
  expect(isSame(opened.parked, other.parked), `bits of ${what}`).toBe(true);
  return opened;
}

function float32Elements(count: number, kind: () => number): Uint32Array<ArrayBuffer> {
  return Uint32Array.from({ length: count }, kind);
}

function bfloat16Elements(count: number, kind: () => number): Uint16Array<ArrayBuffer> {
  return Uint16Array.from({ length: count }, () => kind() >>> 16);
}

const COUNTS = [0, 1, 15, 16, 17, 1023, 1024, 1025, 5000];
const randomFactor = (): number => Math.fround(sign() * 10 ** (uniform() * 8 - 4));

describe("scaling float32", () => {
  describe.each(Object.entries(KINDS))("of %s", (_, kind) => {
    it.each([...COUNTS, 16384])("gives %i elements back from the same bytes in both kernels", (count) => {
      const elements = float32Elements(count, kind);
      const factors = Float32Array.from({ length: count }, randomFactor);
      for (const [name, mode] of Object.entries(MODES)) {
        for (const factor of [randomFactor(), FACTORS[random() % FACTORS.length]!, 0.5]) {
          roundTripBoth(elements, scaleFloat32(factor, mode), `${name} ${factor}`);
        }
        if (count > 0) roundTripBoth(elements, scaleFloat32(factors, mode), `${name}, factors each`);
      }
      for (const factor of POWERS_OF_TWO)
        roundTripBoth(elements, scaleFloat32(factor, EXACT), `exact ${factor}`);
    });
  });

  it.each(FACTORS)("gives every pattern of 64 upper halves back, by %d", (factor) => {
    const elements = new Uint32Array(WINDOW_BYTES / 4);
    const window = windowOf(wasm, scaleFloat32(factor, COMPACT));
    for (const [name, mode] of Object.entries(MODES)) {
      const scale = scaleFloat32(factor, mode);
      for (let i = 0; i < 64; i++) {
        const upper = random() & 0xffff0000;
        for (let lower = 0; lower < 65536; lower += elements.length) {
          for (let j = 0; j < elements.length; j++) elements[j] = upper + lower + j;
          fill(window, elements);
          scale.open(wasm, elements.length);
          checkProducts(window.slice(), elements, scale, name);
          scale.close(wasm, elements.length);
          if (!isSame(window, elements)) expect.fail(`${name}: a pattern from ${upper + lower} on is lost`);
        }
      }
    }
  });

  it("keeps one bit where a neighbour has the same product, and none for zeros", () => {
    const elements = float32Elements(BLOCK, () => bitsOf(1 + uniform()));
    const { parked } = roundTripBoth(elements, scaleFloat32(Math.fround(1 / 3), COMPACT), "of [1, 2)");
    let shared = 0;
    for (const bits of elements) {
      const product = Math.fround(valueOf(bits) * Math.fround(1 / 3));
      const neighbours = [bits - 1, bits + 1].map((other) =>
        Math.fround(valueOf(other) * Math.fround(1 / 3)),
      );
      if (neighbours.includes(product)) shared++;
    }
    expect(shared).toBeGreaterThan(0);
    expect(parked.length).toBe(Math.ceil(shared / 8));

    const zeros = float32Elements(BLOCK, () => random() & RAW);
    expect(roundTripBoth(zeros, scaleFloat32(0.3, COMPACT), "zeros").parked.length).toBe(0);
  });

  it("keeps every last bit in plane mode, two bytes for each 16 elements", () => {
    const elements = float32Elements(BLOCK + 17, KINDS.normals);
    const { parked } = roundTripBoth(elements, scaleFloat32(Math.fround(0.9), PLANE), "plane");
    expect(parked.length).toBe(128 + 4);
    elements.forEach((bits, i) => expect((parked[i >> 3]! >> (i & 7)) & 1).toBe(bits & 1));
  });

  it("keeps nothing for a power of two", () => {
    const elements = float32Elements(5000, KINDS.normals);
    for (const factor of POWERS_OF_TWO) {
      expect(roundTripBoth(elements, scaleFloat32(factor, EXACT), `${factor}`).parked.length).toBe(0);
    }
  });

  it("keeps only the blocks raw that have something unusual in them, and of the last one only its elements", () => {
    const elements = float32Elements(3 * BLOCK + 5, KINDS.normals);
    elements[BLOCK + 7] = 0x7fc00001;
    elements[3 * BLOCK] = 1;
    const { index, parked } = roundTripBoth(
      elements,
      scaleFloat32(Math.fround(0.9), PLANE),
      "two raw blocks",
    );
    expect([...index]).toEqual([0, RAW + 128, 128 + 4096, RAW + 256 + 4096]);
    expect(parked.length).toBe(256 + 4096 + 20);
  });
});

describe("scaleRange", () => {
  it("holds elements whose neighbours and products are normal, by the smallest and by the largest factor", () => {
    for (let i = 0; i < 1000; i++) {
      const exponents = [uniform() * 252 - 126, uniform() * 252 - 126].sort((a, b) => a - b);
      const [smallest, largest] = exponents.map((exponent) => Math.fround(2 ** exponent)) as [number, number];
      const [low, high] = scaleRange(smallest, largest);
      expect(low).toBeGreaterThan(0x00800000);
      expect(high).toBeLessThan(0x7f7fffff);
      expect(Math.fround(valueOf(low - 1) * smallest)).toBeGreaterThan(2 ** -126);
      expect(Math.fround(valueOf(high + 2) * largest)).toBeLessThan(Infinity);
    }
  });
});

describe("scaling bfloat16", () => {
  describe.each(Object.entries(KINDS))("of %s", (_, kind) => {
    it.each([...COUNTS, 32768])("gives %i elements back from the same bytes in both kernels", (count) => {
      const elements = bfloat16Elements(count, kind);
      for (const [name, mode] of Object.entries(MODES)) {
        for (const factor of [randomFactor(), FACTORS[random() % FACTORS.length]!, 0.5]) {
          roundTripBoth(elements, scaleBfloat16(factor, mode), `${name} ${factor}`);
        }
      }
      for (const factor of POWERS_OF_TWO)
        roundTripBoth(elements, scaleBfloat16(factor, EXACT), `exact ${factor}`);
    });
  });

  it.each([...FACTORS, ...POWERS_OF_TWO])("gives every pattern back, by %d", (factor) => {
    const isPower = POWERS_OF_TWO.includes(factor);
    for (const mode of isPower ? [COMPACT, PLANE, EXACT] : [COMPACT, PLANE]) {
      for (const first of [0, 32768]) {
        const elements = Uint16Array.from({ length: 32768 }, (_, i) => first + i);
        const { parked, index } = roundTripBoth(elements, scaleBfloat16(factor, mode), `mode ${mode}`);
        const rawBlocks = index.filter((entry) => entry >= RAW).length;
        // at most one bit for each of 32,768 elements
        expect(parked.length - 2 * BLOCK * rawBlocks).toBeLessThanOrEqual(4096);
        expect(rawBlocks).toBeLessThan(index.length);
      }
    }
  });

  it("keeps one bit where a neighbour has the same product", () => {
    for (let i = 0; i < 200; i++) {
      const factor = randomFactor();
      const elements = Uint16Array.from({ length: BLOCK }, (_, j) => 0x3c00 + j);
      let shared = 0;
      for (const bits of elements) {
        const product = bfloat16Product(bits, factor);
        if ([bits - 1, bits + 1].some((other) => bfloat16Product(other, factor) === product)) shared++;
      }
      expect(roundTripBoth(elements, scaleBfloat16(factor, COMPACT), `${factor}`).parked.length).toBe(
        Math.ceil(shared / 8),
      );
    }
  });
});

describe("bfloat16Tables", () => {
  it("has nothing to add for powers of two", () => {
    for (const exponent of [-126, -100, -1, 0, 1, 64, 127]) {
      const { lookup, base, sign } = bfloat16Tables(2 ** exponent);
      expect(lookup.every((byte) => byte === 0)).toBe(true);
      expect(base).toBe(exponent * 128);
      expect(sign).toBe(0);
    }
    expect(bfloat16Tables(-0.5)).toMatchObject({ base: -128, sign: 0x8000 });
  });
});
