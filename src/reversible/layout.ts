/**
 * Where everything lies in the memory that kernels work in, in bytes. Both implementations have this layout:
 * AssemblyScript compiles this very file. Statics of the WASM module follow at {@link STATICS}.
 */

/** Elements that are parked together: one entry of the index. */
export const BLOCK = 1024;

/** The window: elements on their way from and to a user's array. */
export const WINDOW = 0;
/** Size of the window: 32,768 float32, or as many elements of 16 bits in half of it. */
export const WINDOW_BYTES = 131072;

/** float32 per element of the window: what is added to it, or its factor. */
export const OPERANDS = WINDOW + WINDOW_BYTES;
/** Size of the operands: a float32 for each of 32,768 elements. */
export const OPERANDS_BYTES = 131072;

/** One u32 per block: byte offset into the bits; bit 31 set: a raw block; bit 30: zeros predicted. */
export const INDEX = OPERANDS + OPERANDS_BYTES;
/** Size of the index of one window. */
export const INDEX_BYTES = 128;

/** Low word and high word of the digest. */
export const DIGEST = INDEX + INDEX_BYTES;

/** bfloat16 scale: 128 bytes by the mantissa of p', then 128 bytes by the mantissa of p (see `bfloat16-tables.ts`). */
export const TABLES = DIGEST + 128;

/** Parked bits; up to 16 bytes behind the last one are written and read. */
export const BITS = TABLES + 256;
/** Size of the bits: a window of raw blocks, or of streams that turn out to be longer than raw. */
export const BITS_BYTES = 135232;

/** Pairs of u32: element, counted from the beginning of the window, and its bits. */
export const EXCEPTIONS = BITS + BITS_BYTES;
/** Size of the exceptions: never more than the window in the end, and one block more on the way. */
export const EXCEPTIONS_BYTES = 139264;

/** The noise table of `random/normal.ts`, 31 · 64 u32, written by the host. */
export const NORMAL_TABLE = EXCEPTIONS + EXCEPTIONS_BYTES;

/** From here on the WASM module keeps its own scratch: 546,816, which the build is told. */
export const STATICS = NORMAL_TABLE + 9664;

/** Factors of a low-rank delta: left, then right. The memory ends where they end. */
export const FACTORS = STATICS + 108544;
