/**
 * Collectives of 64 MB on two ranks, against C. Both are called in the same processes, in turn, on the same memory: of
 * programs that run one after the other, the machine decides which one is faster. The C side, compiled with mpicc, is
 * timed in both of its forms, which are other algorithms in Open MPI: blocking, and started and waited for. The exit code
 * is 1 if allReduce or reduceScatter takes more than 1.10 of the time of either.
 *
 * npm run bench:mpi
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import koffi from "koffi";
import { mpi, type MpiCommunicator } from "../src/distributed.ts";
import { median, printTable } from "./measure.ts";

const RANKS = 2;
const BYTES = 64_000_000;
const ROUNDS = 15;
const WARM_UP = 3;
const LIMIT = 1.1;

const compiled = fileURLToPath(new URL("mpi.so", import.meta.url));

interface Pair {
  readonly name: string;
  readonly isLimited: boolean;
  /** Seconds, of each form. */
  readonly c: readonly [blocking: () => number, started: () => number];
  ours(): unknown;
}

function pairs(comm: MpiCommunicator): readonly Pair[] {
  const library = koffi.load(compiled);
  type Run = () => number;
  const both = (name: string, types: readonly string[], ...values: unknown[]): [Run, Run] => {
    const [blocking, started] = [name, `${name}_started`].map((each) =>
      library.func(each, "double", [...types]),
    );
    return [() => blocking!(...values) as number, () => started!(...values) as number];
  };
  const address = "void *";

  const length = BYTES / Float32Array.BYTES_PER_ELEMENT;
  const values = new Float32Array(length).fill(comm.rank + 1);
  const whole = new Float32Array(length);
  const each = length / comm.size;
  const counts = new Int32Array(comm.size).fill(each);
  const starts = counts.map((_, rank) => rank * each);
  const part = values.subarray(0, each);
  const own = new Float32Array(each);
  return [
    {
      name: "allReduce",
      isLimited: true,
      c: both("c_all_reduce", [address, address, "int"], values, whole, length),
      ours: () => comm.allReduce(values, { into: whole }),
    },
    {
      name: "reduceScatter",
      isLimited: true,
      c: both("c_reduce_scatter", [address, address, address], values, own, counts),
      ours: () => comm.reduceScatter(values, { into: own }),
    },
    {
      name: "allGather",
      isLimited: false,
      c: both("c_all_gather", [address, "int", address, address, address], part, each, whole, counts, starts),
      ours: () => comm.allGather(part, { into: whole }),
    },
  ];
}

/** Milliseconds until the slowest rank is done. */
function timed(comm: MpiCommunicator, run: () => number): number {
  comm.barrier();
  return comm.allReduce(Float64Array.of(run() * 1000), { reduction: "max" })[0]!;
}

async function ranks(): Promise<void> {
  const comm = await mpi();
  const rows = pairs(comm).map(({ name, isLimited, c, ours }) => {
    const seconds = (): number => {
      const begin = performance.now();
      ours();
      return (performance.now() - begin) / 1000;
    };
    const times: (readonly [blocking: number, started: number, ours: number])[] = [];
    for (let round = -WARM_UP; round < ROUNDS; round++) {
      const one = [timed(comm, c[0]), timed(comm, c[1]), timed(comm, seconds)] as const;
      if (round >= 0) times.push(one);
    }
    const of = (column: 0 | 1 | 2): number => median(times.map((one) => one[column]));
    // The median of ratios of neighbours: what slows the machine down for a while slows both.
    const ratios = ([0, 1] as const).map((column) => median(times.map((one) => one[2] / one[column])));
    return { name, isLimited, ms: [of(0), of(1), of(2)], ratios };
  });
  const isOver = rows.some(({ isLimited, ratios }) => isLimited && Math.max(...ratios) > LIMIT);
  if (comm.rank === 0) {
    console.log(`${BYTES / 1e6} MB on ${comm.size} ranks, ${comm.library}`);
    printTable(
      rows.map(({ name, ms: [blocking, started, ours], ratios }) => ({
        ms: name,
        "C, blocking": blocking!.toFixed(1),
        "C, started": started!.toFixed(1),
        ours: ours!.toFixed(1),
        "ours / blocking": ratios[0]!.toFixed(3),
        "ours / started": ratios[1]!.toFixed(3),
      })),
    );
    if (isOver) console.log(`Above the limit of ${LIMIT}.`);
  }
  comm.finalize();
  if (isOver) process.exitCode = 1;
}

function launch(): void {
  const source = fileURLToPath(new URL("../../bench/mpi.c", import.meta.url));
  const compiler = spawnSync("mpicc", ["-O2", "-shared", "-fPIC", source, "-o", compiled], {
    stdio: "inherit",
  });
  if (compiler.status !== 0) {
    console.log("mpicc did not compile the C side (Debian package libopenmpi-dev).");
    process.exitCode = 1;
    return;
  }
  const options = ["--allow-run-as-root", "--oversubscribe", "-n", String(RANKS)];
  const program = [process.execPath, fileURLToPath(import.meta.url)];
  process.exitCode = spawnSync("mpirun.openmpi", [...options, ...program], { stdio: "inherit" }).status ?? 1;
}

if (process.env["OMPI_COMM_WORLD_RANK"] === undefined) launch();
else await ranks();
