/**
 * What each rank does: it trains its part of a classifier of digits, and every 10 steps the ranks validate what they have,
 * as it is and under noise: in a theater on the shards, which come back bit for bit.
 */
import { parseArgs } from "node:util";
// In a project of your own: from "surgical-theater/distributed".
import { mpi, noise, withTheater } from "../../src/distributed.ts";
import { digestOf } from "../support/digest.ts";
import { loadDigits } from "../support/load-digits.ts";
import { shuffledBatches } from "../support/random.ts";
import { percent, yes } from "../support/table.ts";
import { FlatParameters } from "./flat.ts";
import { countCorrect, initialise, shapes } from "./model.ts";
import { type Sums, Trainer } from "./train.ts";

const { values } = parseArgs({
  options: { steps: { type: "string", default: "100" }, sums: { type: "string", default: "exact" } },
});
const steps = Number(values.steps);
const sums = values.sums as Sums;
const validateEvery = 10;
const batchSize = 48;
const leastAccuracy = 0.9;

const comm = await mpi({ deadline: 30_000 });
const flat = new FlatParameters(comm, shapes);
const start = new Float32Array(flat.length);
initialise(flat.views(start));
flat.take(start);

const { training, heldOut } = loadDigits();
const trainer = new Trainer(comm, flat, sums);

/** Share of the held-out digits that are read correctly. Each rank looks at some of them. It knows of no theater. */
function accuracy(): number {
  const correct = countCorrect(flat.views(flat.gather()), heldOut, comm.rank, comm.size);
  return comm.allReduce(Int32Array.of(correct))[0]! / heldOut.labels.length;
}

function print(text: string): void {
  if (comm.rank === 0) console.log(text);
}

print(`${flat.length} parameters on ${comm.size} ranks (${flat.shard.byteLength} bytes each), ${steps} steps; ${comm.library}

step    loss   clean   noisy  bytes moved to open  all shards bit-identical
────  ──────  ──────  ──────  ───────────────────  ────────────────────────`);

const begin = performance.now();
const wrong: string[] = [];
const batch = shuffledBatches(training.labels.length, batchSize, 2);
for (let step = 1; step <= steps; step++) {
  const loss = trainer.step(training, batch.next().value);
  if (step % validateEvery !== 0) continue;

  const before = digestOf(flat.shard);
  const clean = accuracy();
  const moved = comm.bytesMoved;
  let opening = 0;
  const modification = noise({ std: 0.3, relativeTo: "parameterStd", seed: step });
  const noisy = withTheater(flat.model, { modification, layers: "all" }, () => {
    opening = comm.bytesMoved - moved;
    return accuracy();
  });
  const [same] = comm.allReduce(Int32Array.of(digestOf(flat.shard) === before ? 1 : 0), { reduction: "min" });

  if (same !== 1) wrong.push(`a shard changed at step ${step}`);
  if (step === steps && clean < leastAccuracy) wrong.push(`only ${percent(clean)} are read correctly`);
  print(
    `${String(step).padStart(4)}  ${loss.toFixed(4)} ${percent(clean).padStart(7)} ${percent(noisy).padStart(7)}  ${String(opening).padStart(19)}  ` +
      `${yes(same === 1)}, ${before.slice(0, 8)} on rank 0`,
  );
}
const ms = performance.now() - begin;
print(`
SHA-256   ${digestOf(flat.gather())} of all parameters, gathered
Moved     ${(comm.bytesMoved / steps / 1000).toFixed(0)} kB per step and rank, validations included; gradients added up in ${sums === "exact" ? "float64, exactly" : "float32"}
Time      ${(ms / 1000).toFixed(1)} s`);
for (const each of wrong) print(`Failed: ${each}`);
if (wrong.length > 0) process.exitCode = 1;
comm.finalize();
