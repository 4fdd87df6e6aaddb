/**
 * Threads that share a buffer have a registry of open theaters each, so two of them could open theaters on the
 * same bytes. A mark that changes no byte prevents it: whoever has theaters open on a SharedArrayBuffer waits,
 * asynchronously and for ever, at its first word, and `Atomics.notify` counts who waits there.
 */
import { UnsupportedError } from "../../errors.ts";

/** Waiting agents per mark: each attempt of another thread to open wakes one. */
const WAITERS = 8;

interface WaitAsync {
  waitAsync?(
    view: Int32Array,
    index: number,
    value: number,
  ): { async: false; value: string } | { async: true; value: Promise<string> };
}

interface Mark {
  /** Slots of this thread on the buffer. */
  users: number;
  word: Int32Array;
}

const symbol = Symbol.for("surgical-theater/shared-buffers@1");
const holder = globalThis as { [symbol]?: WeakMap<ArrayBufferLike, Mark> };
const marks: WeakMap<ArrayBufferLike, Mark> = (holder[symbol] ??= new WeakMap());

async function rearm(mark: Mark, woken: Promise<string>): Promise<void> {
  await woken;
  if (mark.users > 0) wait(mark);
}

function wait(mark: Mark): void {
  for (let armed = 0; armed < WAITERS;) {
    // Arming needs the word's value; another thread may be writing weights, then the next try sees the new one.
    const waiting = (Atomics as WaitAsync).waitAsync!(mark.word, 0, Atomics.load(mark.word, 0));
    if (!waiting.async) continue;
    armed++;
    void rearm(mark, waiting.value);
  }
}

/**
 * Marks `buffer` as open in this thread; call the returned function when a slot on it closes.
 *
 * @throws UnsupportedError `shared_memory` when another thread has a theater open on it
 */
export function markShared(buffer: SharedArrayBuffer, name: string): () => void {
  const at = `${JSON.stringify(name)} lies in a SharedArrayBuffer`;
  if (typeof (Atomics as WaitAsync).waitAsync !== "function" || buffer.byteLength < 4) {
    throw new UnsupportedError(
      "shared_memory",
      `${at}, and this runtime cannot tell whether another thread has a theater open on it (Atomics.waitAsync, ` +
        "4 bytes or more). Nothing was changed. Copy the parameter to a buffer of this thread.",
    );
  }
  const mark = marks.get(buffer) ?? { users: 0, word: new Int32Array(buffer, 0, 1) };
  if (mark.users === 0) {
    if (Atomics.notify(mark.word, 0, 1) > 0) {
      throw new UnsupportedError(
        "shared_memory",
        `${at} on which another thread has a theater open. Nothing was changed. Close that one first: theaters on ` +
          "one buffer must be opened by one thread at a time.",
      );
    }
    marks.set(buffer, mark);
    mark.users = 1;
    wait(mark);
  } else {
    mark.users++;
  }
  return () => {
    mark.users--;
    if (mark.users > 0) return;
    marks.delete(buffer);
    Atomics.notify(mark.word, 0);
  };
}
