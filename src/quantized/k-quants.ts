/**
 * Q4_K and Q6_K of GGUF, decoding only: super-blocks of 256 values whose scales are quantized themselves. Encoding them is
 * a search whose result depends on the compiler.
 *
 * Source: ggml at d99724f.
 */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction; a check would cost the loop */
import { readHalf } from "./half.ts";

/** Formats that can be read, and not written. */
export type KQuant = "gguf-q4_k" | "gguf-q6_k";

/** Blocks of a format that can only be decoded, as a GGUF file holds them. */
export interface KQuantBlocks {
  readonly format: KQuant;
  /** Slowest first; the last one is a multiple of 256. */
  readonly shape: readonly number[];
  /** Super-blocks of 144 bytes (Q4_K), or 210 (Q6_K). */
  readonly blocks: Uint8Array;
}

/** Values of a super-block. */
export const SUPER_BLOCK = 256;

/** Bytes of a super-block. */
export const superBlockBytes: Readonly<Record<KQuant, number>> = { "gguf-q4_k": 144, "gguf-q6_k": 210 };

const { fround } = Math;

/** Scale and minimum of group `g`, of 6 bits each, from 12 bytes at `at`. */
function pairOfSixBits(bytes: Uint8Array, at: number, g: number): readonly [scale: number, minimum: number] {
  const byte = (i: number): number => bytes[at + i]!;
  if (g < 4) return [byte(g) & 63, byte(g + 4) & 63];
  return [(byte(g + 4) & 15) | ((byte(g - 4) >> 6) << 4), (byte(g + 4) >> 4) | ((byte(g) >> 6) << 4)];
}

function decodeQ4K(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const [scale, minimum] = [readHalf(bytes, at), readHalf(bytes, at + 2)];
  for (let g = 0; g < 8; g++) {
    const [s, m] = pairOfSixBits(bytes, at + 4, g);
    // products of a float16 and small integers are exact; the difference rounds once
    const [by, less] = [scale * s, minimum * m];
    const codes = at + 16 + (g >> 1) * 32;
    for (let i = 0; i < 32; i++) {
      const code = (g & 1) === 0 ? bytes[codes + i]! & 15 : bytes[codes + i]! >> 4;
      out[to + 32 * g + i] = by * code - less;
    }
  }
}

function decodeQ6K(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = readHalf(bytes, at + 208);
  for (let i = 0; i < SUPER_BLOCK; i++) {
    const half = i >> 7;
    const quarter = (i & 127) >> 5;
    const l = i & 31;
    const lows = bytes[at + half * 64 + (quarter & 1) * 32 + l]!;
    const low = quarter < 2 ? lows & 15 : lows >> 4;
    const high = (bytes[at + 128 + half * 32 + l]! >> (2 * quarter)) & 3;
    const signed = (bytes[at + 192 + half * 8 + 2 * quarter + (l >> 4)]! << 24) >> 24;
    out[to + i] = fround(scale * signed) * ((low | (high << 4)) - 32);
  }
}

/**
 * Decodes whole super-blocks.
 *
 * @param blocks - as a GGUF file holds them
 * @param first - element to begin with, a multiple of 256
 * @param out - as many elements as are wanted, a multiple of 256
 */
export function decodeKQuant(format: KQuant, blocks: Uint8Array, first: number, out: Float32Array): void {
  const bytes = superBlockBytes[format];
  const decode = format === "gguf-q4_k" ? decodeQ4K : decodeQ6K;
  for (let at = 0; at < out.length; at += SUPER_BLOCK) {
    decode(blocks, ((first + at) / SUPER_BLOCK) * bytes, out, at);
  }
}
