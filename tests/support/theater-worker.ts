/** A thread of its own that opens and closes theaters on a shared buffer when it is told to. */
/* oxlint-disable unicorn/require-post-message-target-origin -- these are threads, not windows */
import { parentPort, workerData } from "node:worker_threads";
import { scale, surgicalTheater } from "../../src/index.ts";

const model = { kernel: new Float32Array(workerData as SharedArrayBuffer) };
let theater: ReturnType<typeof surgicalTheater> | undefined;

function act(order: string): string {
  if (order === "open") theater = surgicalTheater(model, { modification: scale(2), layers: "all" });
  else if (order === "close") return String(theater!.close().identical);
  return "opened";
}

parentPort!.on("message", (order: string) => {
  try {
    parentPort!.postMessage(act(order));
  } catch (error) {
    parentPort!.postMessage((error as { code?: string }).code ?? String(error));
  }
});
parentPort!.postMessage("ready");
