/** A theater on this process's part of each parameter. Here it is the only process; more of them in examples/sharded. */
// In a project of your own: from "surgical-theater/distributed" and "surgical-theater".
import { flatPadded, noise, sharded, solo, withTheater } from "../../src/distributed.ts";
import { withTheater as withTheaterOnArrays } from "../../src/index.ts";
import type { Subject } from "../basic-usage/subject.ts";
import type { Checks } from "../support/checks.ts";
import { digestOf } from "../support/digest.ts";
import { yes } from "../support/table.ts";
import { type Arrays, arraysOf } from "./arrays.ts";

export function modifyShards({ model }: Subject, checks: Checks): void {
  const [parts, whole] = [arraysOf(model), arraysOf(model)];
  const options = {
    modification: noise({ std: 0.1, relativeTo: "parameterStd", seed: 1 }),
    layers: "all",
  } as const;
  const digest = (arrays: Arrays): string => digestOf(...Object.values(arrays).map(({ data }) => data));
  const before = digest(parts);

  // On MPI ranks: `await mpi()`, and in `data` what this rank has of each parameter.
  using comm = solo();
  const shards = sharded(
    comm,
    Object.fromEntries(
      Object.entries(parts).map(([name, part]) => [name, { ...part, layout: flatPadded() }]),
    ),
  );
  const shown = withTheater(shards, options, () => digest(parts));
  const asked = withTheaterOnArrays(whole, options, () => digest(whole));
  const after = digest(parts);

  console.log(`rank ${comm.rank} of ${comm.size}, ${Object.keys(parts).length} parameters, noise on all:
shards show what whole arrays show: ${yes(shown === asked)}, ${shown.slice(0, 8)}; bytes back: ${yes(after === before)}, ${after.slice(0, 8)}`);
  checks.that(shown === asked, "shards show something else than whole arrays");
  checks.that(shown !== before, "noise on shards does not show");
  checks.that(after === before, "a shard has other bytes than before");
}
