/**
 * What a set of kernels can do. There are two with the same bits: WASM (`wasm.ts`) and plain TypeScript
 * (`reference.ts`), for where WASM is refused and as the oracle of tests. Kernels work on one window of elements
 * in a memory of their own (`layout.ts`); `park.ts` moves windows between it and a user's array.
 *
 * For all of them: `count` is the number of elements in the window. Behind them the window is zero up to the end of
 * the block, and so are operands other than noise. `…Open` modifies the window in place, writes index, bits
 * and exceptions, and returns the number of bytes of bits; `…Close`, given the same index, bits and operands, undoes
 * it for all lanes but the exceptions, which the host puts back. Kernels without a suffix only modify.
 */
export interface Kernels {
  readonly name: "wasm" | "reference";
  /** The memory. Views of it are valid until the next {@link reserveFactors}. */
  readonly buffer: ArrayBuffer;
  /** All of it as words. */
  readonly words: Uint32Array<ArrayBuffer>;
  /** Makes room for this many bytes of factors. */
  reserveFactors(bytes: number): void;
  /** Exceptions that the last `…Open` listed. */
  exceptionCount(): number;

  /**
   * 64 bits of the first `bytes` bytes of the window, to `DIGEST` in the layout; the window becomes zero behind them up
   * to a multiple of 128. A changed word always shows.
   */
  digest(bytes: number): void;

  /**
   * Noise for the window to the operands, whole blocks: `random/noise.ts`, starting at counter `high · 2^32 + low`
   * (element / 4, a multiple of 256).
   */
  noise(
    count: number,
    key0: number,
    key1: number,
    key2: number,
    key3: number,
    counterLow: number,
    counterHigh: number,
    latticeHigh: number,
    latticeLow: number,
    shift: number,
    quantum: number,
  ): void;

  /**
   * NumericArray `first` to `first + count − 1` of left · right to the operands: left [rows, rank] and right
   * [rank, columns], row-major float32, one after the other at {@link FACTORS}. Sums run from the first product on, in
   * order, each product and each sum rounded to float32.
   */
  lowRank(count: number, first: number, rows: number, columns: number, rank: number): void;

  /**
   * float32: p' = fl(p · s). `each`: s is the element's operand, else `factor`, both float32.
   */
  scaleFloat32(count: number, factor: number, each: boolean): void;
  /**
   * A block is raw unless every |p| is 0 or has bits from `low` to `high`: then p, its neighbours and p' are normal
   * numbers. `mode`: {@link COMPACT}, {@link PLANE} or {@link EXACT}.
   */
  scaleFloat32Open(
    count: number,
    factor: number,
    each: boolean,
    mode: number,
    low: number,
    high: number,
  ): number;
  scaleFloat32Close(count: number, factor: number, each: boolean, mode: number): void;

  /** bfloat16: p' = rne16(fl32(p · factor)). */
  scaleBfloat16(count: number, factor: number): void;
  /** As for float32; `low` and `high` are 16-bit patterns. Reads the tables. */
  scaleBfloat16Open(count: number, factor: number, mode: number, low: number, high: number): number;
  /** `base` and `sign` (0 or 0x8000) are those of the tables. */
  scaleBfloat16Close(count: number, mode: number, base: number, sign: number): void;

  /**
   * float32: p' = p + d, within 1 ulp of the rounded sum, such that p' − d gives back all of p but its lowest
   * bits (see `reference/add-float32.ts`).
   */
  addFloat32(count: number): void;
  addFloat32Open(count: number): number;
  addFloat32Close(count: number): void;

  /** `half`: float16, else bfloat16. p' = rne16(fl32(p + d)). */
  add16(count: number, half: boolean): void;
  add16Open(count: number, half: boolean): number;
  add16Close(count: number, half: boolean): void;
}

/** Mode of a scale: the last bit of p where a neighbour of p has the same product. */
export const COMPACT = 0;
/** Mode of a scale: the last bit of every p. */
export const PLANE = 1;
/** Mode of a scale by a power of two: nothing is lost where everything is normal. */
export const EXACT = 2;
