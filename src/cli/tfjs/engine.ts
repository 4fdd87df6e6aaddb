/** TensorFlow.js, if it is installed. */
import { UnsupportedError } from "../../errors.ts";
import { note } from "../output.ts";

export type TfLayers = typeof import("@tensorflow/tfjs-layers");

/** The engine, and the store, which can only be loaded where it can. */
export interface Started {
  readonly tf: typeof import("@tensorflow/tfjs-core");
  readonly layers: TfLayers;
  readonly store: typeof import("../../tfjs.ts").store;
}

/** Fastest first. cpu comes with `@tensorflow/tfjs`. */
const backends = ["wasm", "cpu"] as const;

/** Whether there is a package of this name; one that is there and fails throws. */
async function installed<T>(load: () => Promise<T>): Promise<T | undefined> {
  try {
    return await load();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}

const packages = {
  wasm: () => import("@tensorflow/tfjs-backend-wasm"),
  cpu: () => import("@tensorflow/tfjs-backend-cpu"),
};

/** Starts the fastest backend that is there. @throws UnsupportedError `engine` where it is not installed, or has none */
export async function startTensorFlow(): Promise<Started> {
  const tf = await installed(() => import("@tensorflow/tfjs-core"));
  const layers = await installed(() => import("@tensorflow/tfjs-layers"));
  if (tf !== undefined && layers !== undefined) {
    for (const backend of backends) {
      if ((await installed(packages[backend])) !== undefined && (await tf.setBackend(backend))) {
        note(`TensorFlow.js ${tf.version_core} on ${backend}`);
        const { store } = await import("../../tfjs.ts");
        return { tf, layers, store };
      }
    }
  }
  throw new UnsupportedError(
    "engine",
    "TensorFlow.js is not installed beside surgical-theater. No model was changed. Run: npm install @tensorflow/tfjs " +
      "(and @tensorflow/tfjs-backend-wasm, which is faster)",
  );
}
