/** What typed arrays hold, as Node counts it. */
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/**
 * Bytes of typed arrays that `make` leaves alive until `free`, as Node counts them: what stays below 64 bytes is on V8's
 * own heap. The second try counts, since the first one also makes what the library keeps from then on.
 */
export async function bytesOf<T>(make: () => T, free: (made: T) => void): Promise<number> {
  let bytes = 0;
  for (let i = 0; i < 2; i++) {
    const before = await liveBytes();
    const made = make();
    bytes = (await liveBytes()) - before;
    free(made);
  }
  return bytes;
}

/** What was weakly held in a turn of the event loop lives to its end, and buffers are freed after a collection. */
async function liveBytes(): Promise<number> {
  for (let i = 0; i < 2; i++) {
    await setImmediate();
    collect();
  }
  return process.memoryUsage().arrayBuffers;
}
