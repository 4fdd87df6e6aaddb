/**
 * Scaling of every float32 there is, and scaling and adding noise to every bfloat16 and float16: that each one shows
 * the right number and comes back bit for bit. Minutes on all cores.
 *
 * npm run exhaustive -- [--factors 0.9,-3] [--kinds float32,bfloat16,float16] [--workers 2]
 */
/* oxlint-disable unicorn/require-post-message-target-origin -- these are threads, not windows */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import cliProgress from "cli-progress";
import { fillNoise, noiseSource } from "../src/random/noise.ts";
import { addCodec, noiseDeltas } from "../src/reversible/add.ts";
import { wasmKernels } from "../src/reversible/wasm.ts";
import * as patterns from "../tests/support/patterns.ts";

/** Patterns that a thread checks before it reports. */
const PIECE = 2 ** 25;
const ALL_FLOAT32 = 2 ** 32;
const ALL_HALVES = 2 ** 16;

/** What a thread is to check: {@link PIECE} float32 from `first` on. */
interface Piece {
  readonly factor: number;
  readonly first: number;
}

/** What it found. */
interface Found {
  readonly piece: Piece;
  readonly tally: patterns.Tally;
  readonly seconds: number;
}

/** One line of the result: all patterns under one factor, or one standard deviation. */
interface Row {
  readonly name: string;
  readonly tally: patterns.Tally;
  seconds: number;
}

/** Node 20 runs TypeScript in a thread only after a loader has been registered there. */
const threadSource = `import("tsx/esm/api").then(({ register }) => (register(), import("${import.meta.url}")));`;

/** The work of a thread: pieces come in, what was found goes out. */
function serve(): void {
  const kernels = wasmKernels();
  parentPort!.on("message", (piece: Piece) => {
    const begin = performance.now();
    const tally = patterns.newTally();
    const steps = patterns.scaleSteps(patterns.float32, piece.factor);
    patterns.checkInOrder(kernels, steps, piece.factor, piece.first, PIECE, tally);
    parentPort!.postMessage({ piece, tally, seconds: (performance.now() - begin) / 1000 } satisfies Found);
  });
}

function merge(into: patterns.Tally, from: patterns.Tally): void {
  into.patterns += from.patterns;
  into.differences += from.differences;
  into.rawBlocks += from.rawBlocks;
  into.firstDifference ??= from.firstDifference;
}

/** A bar on a terminal; elsewhere a line every ten seconds. */
class Progress {
  readonly #begin = performance.now();
  readonly #total: number;
  readonly #bar = new cliProgress.SingleBar({
    stream: process.stderr,
    format: "{bar} {percentage} % of {all} · {rate} · ETA {left} · × {factor} · {differences} differences",
    barsize: 24,
    noTTYOutput: true,
    notTTYSchedule: 10_000,
    gracefulExit: false,
  });

  /** @param total - patterns in all */
  constructor(total: number) {
    this.#total = total;
    const all = `${Math.round(total / 1e9)} G`;
    this.#bar.start(total, 0, { all, rate: "–", left: "–", factor: "–", differences: 0 });
  }

  update(done: number, factor: number, differences: number): void {
    const perSecond = (1000 * done) / (performance.now() - this.#begin);
    this.#bar.update(done, {
      rate: `${(perSecond / 1e6).toFixed(0)} M/s`,
      left: `${Math.ceil((this.#total - done) / perSecond)} s`,
      factor,
      differences,
    });
  }

  stop(): void {
    this.#bar.stop();
  }
}

/** Every float32 under every factor, shared out among threads. */
async function checkFloat32(factors: readonly number[], workers: number): Promise<Row[]> {
  const rows = new Map<number, Row>(
    factors.map((factor) => [
      factor,
      { name: `float32 × ${factor}`, tally: patterns.newTally(), seconds: 0 },
    ]),
  );
  const pieces = factors.flatMap((factor) =>
    Array.from({ length: ALL_FLOAT32 / PIECE }, (_, i): Piece => ({ factor, first: i * PIECE })),
  );
  const progress = new Progress(pieces.length * PIECE);
  let done = 0;
  let [next, differences] = [0, 0];

  const runThread = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(threadSource, { eval: true, execArgv: [] });
      const giveNext = (): void => {
        const piece = pieces[next++];
        if (piece !== undefined) worker.postMessage(piece);
        else void worker.terminate().then(() => resolve());
      };
      worker.on("error", reject).on("message", ({ piece, tally, seconds }: Found) => {
        const row = rows.get(piece.factor)!;
        merge(row.tally, tally);
        row.seconds += seconds;
        done += PIECE;
        differences += tally.differences;
        progress.update(done, piece.factor, differences);
        giveNext();
      });
      giveNext();
    });

  try {
    await Promise.all(Array.from({ length: workers }, runThread));
  } finally {
    progress.stop();
  }
  return [...rows.values()];
}

/** Runs `run` and makes a row of what it found. */
function timed(name: string, run: (tally: patterns.Tally) => void): Row {
  const tally = patterns.newTally();
  const begin = performance.now();
  run(tally);
  return { name, tally, seconds: (performance.now() - begin) / 1000 };
}

/** Noise of these standard deviations meets numbers of every size, in both formats. */
const stds = [1e-30, 1e-9, 1e-6, 1e-4, 1e-3, 0.01, 0.1, 1, 30, 1000, 1e5, 1e12, 1e25];
/** Deltas that each pattern meets. */
const ROUNDS = 16;

function checkNoise(format: patterns.Format, std: number): Row {
  const kernels = wasmKernels();
  const source = noiseSource(1, "exhaustive", std, format.dtype);
  const step = { name: `+ noise ${std}`, format, codec: addCodec(format.dtype, noiseDeltas(source)) };
  const originals = patterns.oneWindow(format);
  const sums = originals.slice();
  const deltas = new Float32Array(originals.length);
  return timed(`${format.dtype} + noise ${std}`, (tally) => {
    for (let first = 0; first < ROUNDS * ALL_HALVES; first += originals.length) {
      patterns.fillInOrder(originals, first);
      fillNoise(deltas, source, first);
      patterns.add16(format, originals, deltas, sums);
      patterns.check(kernels, step, first, originals, sums, tally);
    }
  });
}

function checkHalves(format: patterns.Format, factors: readonly number[]): Row[] {
  const kernels = wasmKernels();
  const scales = factors.map((factor) =>
    timed(`${format.dtype} × ${factor}`, (tally) =>
      patterns.checkInOrder(kernels, patterns.scaleSteps(format, factor), factor, 0, ALL_HALVES, tally),
    ),
  );
  return [...scales, ...stds.map((std) => checkNoise(format, std))];
}

function print({ name, tally, seconds }: Row): void {
  const { patterns: count, differences, rawBlocks, firstDifference } = tally;
  console.log(
    `${name}: ${count} patterns, ${differences} differences, ${rawBlocks} raw blocks, ${seconds.toFixed(1)} s`,
  );
  if (firstDifference !== undefined) console.log(`  ${firstDifference}`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      factors: { type: "string" },
      kinds: { type: "string", default: "float32,bfloat16,float16" },
      workers: { type: "string", default: String(availableParallelism()) },
    },
  });
  const factors = values.factors?.split(",").map((text) => Math.fround(Number(text)));
  const kinds = values.kinds.split(",");
  const rows: Row[] = [];
  for (const format of [patterns.bfloat16, patterns.float16]) {
    if (kinds.includes(format.dtype)) rows.push(...checkHalves(format, factors ?? patterns.halfFactors));
  }
  if (kinds.includes("float32")) {
    rows.push(...(await checkFloat32(factors ?? patterns.float32Factors, Number(values.workers))));
  }
  for (const row of rows) print(row);
  if (rows.length === 0 || rows.some(({ tally }) => tally.differences > 0)) process.exitCode = 1;
}

if (isMainThread) await main();
else serve();
