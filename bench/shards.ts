/**
 * A theater on shards against the way without one: gather the whole, modify it, take this rank's part. One float32
 * parameter of 64 MB on two ranks (a padded half each), opened and closed. Real ranks, in lockstep: what counts is the
 * slower one. Fails if the theater is not at least 1.5 times as fast.
 *
 * npm run bench:shards [-- ranks]
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { flatPadded, localLength, mpi, type MpiCommunicator, runsOf, sharded } from "../src/distributed.ts";
import * as shards from "../src/distributed.ts";
import { type Modification, noise, type NumericArray, scale, surgicalTheater } from "../src/index.ts";
import { median, printTable } from "./measure.ts";

const SHAPE = [4096, 4096] as const;
const ELEMENTS = SHAPE[0] * SHAPE[1];
const ROUNDS = 7;
const LEAST = 1.5;

const modifications: readonly (readonly [name: string, modification: Modification<NumericArray>])[] = [
  ["scale(0.9)", scale(0.9)],
  ["noise", noise({ std: 0.01, seed: 1 })],
];

/** The same program again, once for each rank. */
function launch(ranks: string): void {
  const mpirun = ["--oversubscribe", "-n", ranks, process.execPath, fileURLToPath(import.meta.url)];
  const asRoot = process.getuid?.() === 0 ? ["--allow-run-as-root"] : [];
  const { status, error } = spawnSync("mpirun.openmpi", [...asRoot, ...mpirun], { stdio: "inherit" });
  if (error !== undefined)
    console.error(`${error.message}: install the Debian packages openmpi-bin and libopenmpi3`);
  process.exitCode = status ?? 1;
}

/** Opens. `after` is not timed: a trainer without a theater would not do it. */
type Way = (modification: Modification<NumericArray>) => { close(): void; after?(): void };

/** Both ways, on the same shard. */
function waysOn(comm: MpiCommunicator): {
  readonly theater: Way;
  readonly gather: Way;
  readonly data: Float32Array;
} {
  const layout = flatPadded();
  const data = new Float32Array(localLength(layout, SHAPE, comm));
  const [run] = runsOf(layout, SHAPE, comm);
  const { global, length } = run!;
  for (let i = 0; i < length; i++) data[i] = Math.fround((((global + i) * 2654435761) % 1000) / 997 - 0.5);
  const model = sharded(comm, { kernel: { data, shape: SHAPE, dtype: "float32", layout } });
  return {
    data,
    theater(modification) {
      const theater = shards.surgicalTheater(model, { modification, layers: "all" });
      return { close: () => void theater.close() };
    },
    gather(modification) {
      const saved = data.slice();
      const whole = comm.allGather(data).subarray(0, ELEMENTS);
      const kernel = { data: whole, shape: SHAPE, dtype: "float32" } as const;
      // What the unsharded store is for here is arithmetic: its own closing is not timed.
      const theater = surgicalTheater({ kernel }, { modification, layers: "all", technique: "copy" });
      data.set(whole.subarray(global, global + length));
      return { close: () => data.set(saved), after: () => void theater.close() };
    },
  };
}

async function measure(): Promise<void> {
  const comm = await mpi();
  const { data, ...ways } = waysOn(comm);
  const rows: Record<string, string>[] = [];
  let isSlow = false;
  for (const [name, modification] of modifications) {
    const times = { theater: [] as number[], gather: [] as number[] };
    const bytes = { theater: 0, gather: 0 };
    const shown = { theater: 0, gather: 0 };
    for (let round = -2; round < ROUNDS; round++) {
      for (const way of ["theater", "gather"] as const) {
        comm.barrier();
        const moved = comm.bytesMoved;
        const begin = performance.now();
        const opened = ways[way](modification);
        const openMs = performance.now() - begin;
        shown[way] = data.reduce((sum, x, i) => (i % 1009 === 0 ? sum + x : sum), 0);
        const looked = performance.now();
        opened.close();
        const took = Float64Array.of(openMs + performance.now() - looked);
        opened.after?.();
        bytes[way] = comm.bytesMoved - moved;
        comm.allReduce(took, { reduction: "max" });
        if (round >= 0) times[way].push(took[0]!);
      }
    }
    if (shown.theater !== shown.gather) throw new Error(`${name}: the two ways show something else`);
    const ratio = median(times.gather) / median(times.theater);
    isSlow ||= ratio < LEAST;
    rows.push({
      modification: name,
      "theater, ms": median(times.theater).toFixed(1),
      "gather, ms": median(times.gather).toFixed(1),
      "times as fast": `${ratio.toFixed(2)} ≥ ${LEAST}${ratio < LEAST ? " TOO SLOW" : ""}`,
      "theater, bytes": String(bytes.theater),
      "gather, bytes": String(bytes.gather),
    });
  }
  if (comm.rank === 0) {
    console.log(`${(4 * ELEMENTS) / 2 ** 20} MiB of float32 on ${comm.size} ranks; medians of ${ROUNDS}\n`);
    printTable(rows);
  }
  comm.finalize();
  if (isSlow) process.exitCode = 1;
}

if (process.env["OMPI_COMM_WORLD_SIZE"] === undefined) launch(process.argv[2] ?? "2");
else await measure();
