/**
 * Threads that share a buffer have a registry of open theaters each, so two of them could open theaters on the
 * same bytes. A mark that changes no byte prevents it: whoever has theaters open on a SharedArrayBuffer waits,
 * asynchronously and for ever, at its first word, and `Atomics.notify` counts who waits there.
 */
import { UnsupportedError } from "../../errors.ts";

/** Waiters per mark: each attempt of another thread to open wakes one. */
const WAITERS = 8;

/** Milliseconds for which a thread that was refused replaces the waiter that it woke. */
const STAND_IN = 1000;

interface WaitAsync {
  waitAsync?(
    view: Int32Array,
    index: number,
    value: number,
    timeout: number,
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

/** Waits at the mark's word: for ever, or for a time. */
function wait(word: Int32Array, timeout = Infinity): Promise<string> {
  for (;;) {
    // Waiting needs the word's value; another thread may be writing weights, then the next try sees the new one.
    const waiting = (Atomics as WaitAsync).waitAsync!(word, 0, Atomics.load(word, 0), timeout);
    if (waiting.async) return waiting.value;
  }
}

/** Keeps one waiter at the mark for as long as theaters are open on it. */
async function keepWaiting(mark: Mark): Promise<void> {
  while (mark.users > 0) await wait(mark.word);
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
      // Asking woke a waiter, which its thread may be too busy to replace: this thread stands in for a while.
      void wait(mark.word, STAND_IN);
      throw new UnsupportedError(
        "shared_memory",
        `${at} on which another thread has a theater open. Nothing was changed. Close that one first: theaters on ` +
          "one buffer must be opened by one thread at a time.",
      );
    }
    marks.set(buffer, mark);
    mark.users = 1;
    for (let i = 0; i < WAITERS; i++) void keepWaiting(mark);
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
