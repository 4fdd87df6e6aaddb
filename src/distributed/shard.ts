/** One rank's part of a parameter, and how it is put together with the others. */
/* oxlint-disable typescript/no-non-null-assertion -- indices are in range by construction */
import type { NumericArray } from "../dtypes/dtype.ts";
import { drive, type Operation } from "../drive.ts";
import type { Run, Shard } from "../shard.ts";
import type { ShardLayout } from "./layouts.ts";
import type { Opening } from "./opening.ts";
import { elementsOf, runsOf } from "./runs.ts";

/** Runs with the first one at local 0: of an array that begins with it. */
function fromItsBeginning(runs: readonly Run[]): readonly Run[] {
  const before = runs[0]?.local ?? 0;
  return runs.map((run) => ({ ...run, local: run.local - before }));
}

/** The parts of `runs` that none of `others` has. */
function without(runs: readonly Run[], others: readonly Run[]): readonly Run[] {
  let left = runs;
  for (const { global, length } of others) {
    const end = global + length;
    left = left.flatMap((run) => {
      const runEnd = run.global + run.length;
      if (end <= run.global || runEnd <= global) return [run];
      const before = { ...run, length: Math.max(0, global - run.global) };
      const skip = Math.max(0, end - run.global);
      const behind = { global: run.global + skip, local: run.local + skip, length: runEnd - end };
      return [before, behind].filter((piece) => piece.length > 0);
    });
  }
  return left;
}

/** The runs that count for each rank when all are put together: what several have is the first one's. */
function ownedRuns(layout: ShardLayout, shape: readonly number[], size: number): readonly (readonly Run[])[] {
  const all = Array.from({ length: size }, (_, rank) =>
    fromItsBeginning(runsOf(layout, shape, { rank, size })),
  );
  const isDisjoint = layout.kind === "flatUnit" || layout.kind === "flatPadded" || layout.kind === "shard";
  if (isDisjoint) return all;
  return all.map((runs, rank) => without(runs, all.slice(0, rank).flat()));
}

const lengthOf = (runs: readonly Run[]): number => runs.reduce((sum, { length }) => sum + length, 0);

type Constructor = new (length: number) => NumericArray;

/** The elements of `data` in these runs, one behind the other: a copy, unless they lie so already. */
function packRuns(data: NumericArray, runs: readonly Run[]): NumericArray {
  const [first] = runs;
  if (first !== undefined && runs.length === 1) return data.subarray(first.local, first.local + first.length);
  const packed = new (data.constructor as Constructor)(lengthOf(runs));
  let at = 0;
  for (const { local, length } of runs) {
    packed.set(data.subarray(local, local + length), at);
    at += length;
  }
  return packed;
}

/** Whether these runs, one behind the other, are the parameter from its beginning. */
function areInOrder(runs: readonly Run[]): boolean {
  let end = 0;
  return runs.every(({ global, length }) => {
    const follows = global === end;
    end = global + length;
    return follows;
  });
}

/** @param part - its layout and shape, which are the same on all ranks */
export function shardOf(
  name: string,
  { layout, shape }: { readonly layout: ShardLayout; readonly shape: readonly number[] },
  opening: Opening,
): Shard<NumericArray> {
  const { comm } = opening;
  const { collectives, rank, size } = comm;
  const owned = ownedRuns(layout, shape, size);
  const inOrder = areInOrder(owned.flat());
  function* gathered(data: NumericArray): Operation<NumericArray> {
    const what = `gather ${name}`;
    yield* opening.meet(what);
    const counts = owned.map(lengthOf);
    const part = packRuns(data, owned[rank]!);
    const packed = yield* opening.told(what, collectives.allGather(part, { counts }));
    if (inOrder) return packed;
    const whole = new (data.constructor as Constructor)(elementsOf(shape));
    let at = 0;
    for (const { global, length } of owned.flat()) {
      whole.set(packed.subarray(at, at + length), global);
      at += length;
    }
    return whole;
  }
  const elements = elementsOf(shape);
  const packed = owned[rank]!.length > 1 ? lengthOf(owned[rank]!) : 0;
  const isHere = layout.kind === "replicated";
  return {
    runs: fromItsBeginning(runsOf(layout, shape, comm)),
    owned: owned[rank]!,
    *sum(numbers) {
      const what = `add up ${numbers.length} numbers of ${name}`;
      yield* opening.meet(what);
      yield* opening.told(what, collectives.allReduce(numbers));
    },
    *concat(numbers) {
      const what = `collect numbers of ${name}`;
      yield* opening.meet(what);
      const counts = yield* opening.told(what, collectives.allGather(Int32Array.of(numbers.length)));
      return yield* opening.told(what, collectives.allGather(numbers, { counts: [...counts] }));
    },
    whole: (data) => (isHere ? data : drive(gathered(data))),
    gathered: isHere
      ? { result: 0, most: 0 }
      : { result: elements, most: packed + (inOrder ? elements : 2 * elements) },
  };
}
