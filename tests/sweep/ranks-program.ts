/** What each rank does in the tests of sweeps: `node ranks-program.mjs TASK FOLDER`, under a launcher. */
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CommunicatorError, mpi } from "../../src/distributed.ts";
import { store } from "../../src/index.ts";
import { ablation, defineSweep, noiseLevels, type RunOptions, runSweep } from "../../src/sweep.ts";
import { impatient } from "../distributed/impatient.ts";

type Model = Readonly<Record<string, Float32Array>>;

const [, , task = "", folder = ""] = process.argv;
const results = process.env["SWEEP_RESULTS"] ?? "";
const comm = task === "a rank hangs" ? await impatient(500) : await mpi({ deadline: 20_000 });
const isOdd = comm.rank === 1;

function report(values: unknown): void {
  const path = join(folder, `${comm.rank}.report`);
  writeFileSync(`${path}.part`, JSON.stringify(values));
  renameSync(`${path}.part`, path); // a rank that is killed meanwhile leaves no half of it
}

const makeModel = (): Model => ({
  "first.kernel": Float32Array.of(1, 2, 3),
  "second.kernel": Float32Array.of(-4, 5, 6),
  "third.kernel": Float32Array.of(7, 8),
});

const measure = (model: Model): { sum: number } => ({
  sum: Object.values(model).reduce((sum, [first]) => sum + first!, 0),
});

/** Twelve trials, four for each of three ranks. */
function run(
  options: RunOptions,
  { model = makeModel(), evaluate = measure }: { model?: Model; evaluate?: (model: Model) => unknown } = {},
): Promise<unknown> {
  const sweep = defineSweep({
    name: "on ranks",
    store,
    model,
    evaluate: measure,
    maximize: "sum",
    trials: ({ layers }) => [...ablation(layers), ...noiseLevels({ std: [0.1, 1, 10], seeds: [1, 2, 3] })],
  });
  return runSweep({ ...sweep, evaluate } as typeof sweep, { communicator: comm, ...options });
}

async function thrown(running: Promise<unknown>): Promise<unknown> {
  try {
    await running;
  } catch (error) {
    const { name, code, message, ranks, peerCode } = error as CommunicatorError;
    return { name, code, message, ranks, peerCode };
  }
  return { code: "nothing was thrown" };
}

/** In the n-th call on the odd rank. */
function onOdd(n: number, act: (model: Model) => unknown): (model: Model) => unknown {
  let calls = 0;
  return (model) => (isOdd && ++calls === n ? act(model) : measure(model));
}

const tasks: Readonly<Record<string, () => Promise<void>>> = {
  async "a whole sweep"() {
    const told: unknown[] = [];
    const found = await run({ results, onProgress: ({ done, total }) => told.push([done, total]) });
    report({ found, told });
    comm.free();
  },

  async failures() {
    const other = makeModel();
    if (isOdd) other["second.kernel"]![2] = 6.5;
    const controller = new AbortController();
    const model = makeModel();
    report({
      "another model": await thrown(run({ results: `${results}.model` }, { model: other })),
      "no file on one rank": await thrown(run(isOdd ? {} : { results: `${results}.none` })),
      "a wrong option": await thrown(
        run({ results: `${results}.option` }, { evaluate: (isOdd ? 1 : measure) as never }),
      ),
      "a trial that fails": await run({}, { evaluate: onOdd(3, () => ({ sum: NaN })) }),
      // Outside of what its trial modifies.
      "a model that changes": await thrown(
        run(
          { results: `${results}.moved` },
          { model, evaluate: onOdd(2, (seen) => ((seen["first.kernel"]![1] = 0), measure(seen))) },
        ),
      ),
      aborted: await thrown(
        run(
          { results: `${results}.aborted`, signal: controller.signal },
          { evaluate: onOdd(3, (seen) => (controller.abort(), measure(seen))) },
        ),
      ),
      // Everything works as before.
      "in memory": await run({}),
    });
    comm.free();
  },

  async "a rank hangs"() {
    const error = await thrown(
      run({ results }, { evaluate: onOdd(3, () => new Promise(() => setInterval(() => {}, 1000))) }),
    );
    report(error);
    const others = [0, 2].map((rank) => join(folder, `${rank}.report`));
    while (!others.every((path) => existsSync(path))) await new Promise((resolve) => setTimeout(resolve, 10));
    process.exit(7);
  },
};
await tasks[task]?.();
