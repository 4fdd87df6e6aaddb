/** What the ranks of a sweep tell each other: that one of them failed, and values. */
import { agreeAsync } from "../distributed/agree.ts";
import { LONGEST } from "../distributed/arguments.ts";
import type { Communicator } from "../distributed/communicator.ts";

/**
 * Runs `part` on this rank, and goes on when all ranks have come through theirs. Evaluations may take longer than any
 * deadline, but no rank has more of them to do than another: so all are given as long as this one took, and the deadline.
 *
 * @throws what `part` throws here; CommunicatorError `peer_failed` where it failed on another rank only
 */
export async function together<R>(comm: Communicator, part: () => R | PromiseLike<R>): Promise<R> {
  const begin = performance.now();
  const waiting = (): { readonly deadline: number } => ({
    deadline: Math.min(LONGEST, comm.deadline + performance.now() - begin),
  });
  let result: R;
  try {
    result = await part();
  } catch (error) {
    // This rank knows best what happened to it, also if the others cannot be told.
    await agreeAsync(comm, error ?? new Error(String(error)), waiting()).catch(() => {});
    throw error;
  }
  await agreeAsync(comm, undefined, waiting());
  return result;
}

/** The value of rank 0, on all ranks: what JSON can say. */
export async function ofFirst<V extends object>(comm: Communicator, value: V): Promise<V> {
  const bytes = new TextEncoder().encode(comm.rank === 0 ? JSON.stringify(value) : "");
  const [length] = await comm.broadcastAsync(Float64Array.of(bytes.length));
  const text = await comm.broadcastAsync(comm.rank === 0 ? bytes : new Uint8Array(length!));
  return JSON.parse(new TextDecoder().decode(text)) as V;
}

/** The values of all ranks, in the order of ranks, on each of them: what JSON can say. */
export async function ofAll<V extends object>(comm: Communicator, value: V): Promise<readonly V[]> {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  const counts = [...(await comm.allGatherAsync(Int32Array.of(bytes.length)))];
  const texts = await comm.allGatherAsync(bytes, { counts });
  let end = 0;
  return counts.map(
    (count) => JSON.parse(new TextDecoder().decode(texts.subarray(end, (end += count)))) as V,
  );
}
