/**
 * A fixed set of runs of all kernels, in WASM and in plain TypeScript: prints a digest of all that they compute, which
 * must be the same everywhere, and how often the two differ, or the originals do not come back. It needs nothing but an
 * engine with a console; `scripts/runtimes.ts` bundles it and runs it in many.
 */
import { fingerprint } from "../src/fingerprint.ts";
import { noiseSource } from "../src/random/noise.ts";
import { addCodec, lowRankDeltas, noiseDeltas, valueDeltas } from "../src/reversible/add.ts";
import type { Codec } from "../src/reversible/codec.ts";
import type { Kernels } from "../src/reversible/kernels.ts";
import { BITS, DIGEST, EXCEPTIONS, INDEX, OPERANDS } from "../src/reversible/layout.ts";
import { referenceKernels } from "../src/reversible/reference.ts";
import { scaleEachCodec } from "../src/reversible/scale.ts";
import { wasmKernels } from "../src/reversible/wasm.ts";
import {
  bfloat16,
  dataKinds,
  dataOf,
  float16,
  float32,
  type Format,
  loadPatterns,
  type Patterns,
  putExceptions,
  scaleSteps,
} from "../tests/support/patterns.ts";

/** Elements of a run: more than a block, and no whole number of them. */
const COUNT = 2500;
/** Where a window begins: in the noise beyond 2^32 elements, in rows of low rank anywhere. */
const FIRST = 2 ** 34 + 3072;

/** A step on a format. */
interface Step {
  readonly format: Format;
  readonly codec: Codec;
  readonly first: number;
}

/** Finite float32 of the size of weights. */
function weights(count: number, seed: number): Float32Array {
  return new Float32Array(dataOf("normals", float32, count, seed).buffer);
}

function scales(): Step[] {
  return [float32, bfloat16, float16].flatMap((format) =>
    [0.9, -1 / 3, 0.5, 1.0000001, -1234.5].flatMap((factor) =>
      scaleSteps(format, Math.fround(factor)).map(({ codec }) => ({ format, codec, first: 0 })),
    ),
  );
}

function scalesEach(): Step[] {
  const factors = Float32Array.of(0.9, -0.25, 3.3, 1.0000001, 12345.678, -0.001, 7);
  const fill = (first: number, out: Float32Array): void => {
    for (let i = 0; i < out.length; i++) out[i] = factors[(first + i) % factors.length]!;
  };
  return [false, true].map((plane) => ({
    format: float32,
    codec: scaleEachCodec(fill, Math.fround(0.001), Math.fround(12345.678), plane),
    first: 1024,
  }));
}

function additions(): Step[] {
  const [rows, columns, rank] = [50, 131, 5];
  const lowRank = lowRankDeltas(weights(rows * rank, 1), weights(rank * columns, 2), rank);
  return [float32, bfloat16, float16].flatMap((format) => {
    const step = (deltas: Parameters<typeof addCodec>[1], first: number): Step => ({
      format,
      codec: addCodec(format.dtype, deltas),
      first,
    });
    return [
      ...[1e-30, 1e-6, 0.01, 3, 1e20].map((std) =>
        step(noiseDeltas(noiseSource(7, "agreement", std, format.dtype)), FIRST),
      ),
      step(lowRank, 3072),
      ...dataKinds.map((kind) => {
        const values = new Float32Array(dataOf(kind, float32, COUNT, 3).buffer);
        return step(
          valueDeltas((_, out) => out.set(values)),
          0,
        );
      }),
    ];
  });
}

/** With one NaN for all: which one it is, engines may choose. */
function withOneNaN(patterns: Patterns, { infinity, bytes }: Format): Patterns {
  const magnitude = bytes === 4 ? 0x7fffffff : 0x7fff;
  return patterns.map((pattern) => ((pattern & magnitude) > infinity ? infinity + 1 : pattern));
}

/** What is parked and what is shown, in one line. Says whether the original came back, too. */
function describeRun(kernels: Kernels, { format, codec, first }: Step, original: Patterns): string {
  codec.begin(kernels);
  const window = loadPatterns(kernels, format, original);
  const { bytes, exceptions } = codec.open(kernels, first, COUNT);
  const { buffer } = kernels;
  const parts = [
    withOneNaN(window, format),
    new Uint32Array(buffer, INDEX, Math.ceil(COUNT / 1024)),
    new Uint8Array(buffer, BITS, bytes),
    new Uint32Array(buffer, EXCEPTIONS, 2 * exceptions),
  ].map(fingerprint);
  codec.close(kernels, first, COUNT);
  putExceptions(kernels, window, exceptions);
  const isBack = window.every((pattern, i) => pattern === original[i]);
  kernels.digest(window.byteLength);
  return [...parts, fingerprint(new Uint32Array(buffer, DIGEST, 2)), isBack ? "back" : "lost"].join(" ");
}

/** What a step does without parking anything. */
function describeChange(kernels: Kernels, { format, codec, first }: Step, original: Patterns): string {
  codec.begin(kernels);
  const window = loadPatterns(kernels, format, original);
  codec.apply(kernels, first, COUNT);
  return fingerprint(withOneNaN(window, format));
}

/** Noise and low-rank products by themselves. */
function describeDeltas(kernels: Kernels): string[] {
  const deltas = [
    noiseDeltas(noiseSource(2 ** 53 - 1, "λ", 0.02, "float32")),
    noiseDeltas(noiseSource(0, "", 0.02, "bfloat16")),
    lowRankDeltas(weights(64 * 3, 4), weights(3 * 97, 5), 3),
  ];
  return deltas.map((source) => {
    source.begin(kernels);
    source.fill(kernels, 1024, 5000);
    return fingerprint(new Float32Array(kernels.buffer, OPERANDS, 5000));
  });
}

function describeAll(kernels: Kernels): string[] {
  const lines = describeDeltas(kernels);
  for (const step of [...scales(), ...scalesEach(), ...additions()]) {
    for (const [seed, kind] of dataKinds.entries()) {
      const original = dataOf(kind, step.format, COUNT, seed);
      lines.push(describeRun(kernels, step, original), describeChange(kernels, step, original));
    }
  }
  return lines;
}

const found = describeAll(wasmKernels());
const expected = describeAll(referenceKernels());
const differences = found.filter((line, i) => line !== expected[i] || line.endsWith("lost")).length;
console.log(`digest: ${fingerprint(new TextEncoder().encode(found.join("\n")))} of ${found.length} runs`);
console.log(`differences: ${differences}`);
