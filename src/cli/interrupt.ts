/** Ctrl-C: the first lets the trial in hand come to its end and the model come back, the second ends at once. */
import { exitCodes, Interrupted } from "./exit.ts";
import { note } from "./output.ts";

/** Runs `fn` with a signal that Ctrl-C and a request to terminate abort. */
export async function interruptible<R>(fn: (signal: AbortSignal) => Promise<R>): Promise<R> {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    note("\nStopping after this trial; what is finished is saved. Ctrl-C again stops at once.");
    controller.abort(new Interrupted("Stopped by Ctrl-C"));
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  try {
    return await fn(controller.signal);
  } finally {
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
  }
}
