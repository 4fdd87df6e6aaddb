/** Evidence that a model is what it was, down to its buffers. It does not come from the library. */
import * as tf from "@tensorflow/tfjs";

/** The state of a model at one moment. */
export interface Evidence {
  /** SHA-256 of all weights and optimizer slots. */
  readonly digest: string;
  readonly dataIds: readonly object[];
  /** On webgpu the `GPUBuffer` behind each tensor, on wasm its place in the heap. */
  readonly buffers: readonly unknown[];
  /** Tensors that exist at all, and the data they show. */
  readonly tensors: number;
  readonly data: number;
}

interface Device {
  readonly tensorMap: { get(dataId: object): { resource: unknown; values: unknown } };
}
interface Heap {
  readonly dataIdMap: { get(dataId: object): { memoryOffset: number | null } };
}

function bufferOf({ dataId }: tf.Tensor): unknown {
  const backend = tf.backend() as unknown as Device | Heap;
  return "tensorMap" in backend
    ? backend.tensorMap.get(dataId).resource
    : backend.dataIdMap.get(dataId).memoryOffset;
}

/** Reads what is on the device: without the host's copy, which would hide what happened to the buffer. */
async function read(tensor: tf.Tensor): Promise<Uint8Array<ArrayBuffer>> {
  const backend = tf.backend() as unknown as Device | Heap;
  const entry = "tensorMap" in backend ? backend.tensorMap.get(tensor.dataId) : undefined;
  const isOnDevice = entry !== undefined && entry.resource !== undefined && entry.resource !== null;
  if (isOnDevice) entry.values = null;
  const values = await tensor.data<"float32">();
  if (isOnDevice) entry.values = null;
  return new Uint8Array(values.slice().buffer);
}

/** All weights, moving averages of BatchNorm included, and both moments of Adam for each that is trained. */
async function stateOf(model: tf.LayersModel): Promise<readonly tf.Tensor[]> {
  const [iterations, ...slots] = await model.optimizer.getWeights();
  iterations?.tensor.dispose(); // made for the caller
  return [...model.getWeights(), ...slots.map(({ tensor }) => tensor)];
}

/** Looks at `model` now. */
export async function examine(model: tf.LayersModel): Promise<Evidence> {
  const state = await stateOf(model);
  // All at once: a device makes each that is waited for by itself wait for its next turn.
  const bytes = await Promise.all(state.map(read));
  const hash = await crypto.subtle.digest("SHA-256", await new Blob(bytes).arrayBuffer());
  const { numTensors, numDataBuffers } = tf.memory();
  return {
    digest: Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join(""),
    dataIds: state.map(({ dataId }) => dataId),
    buffers: state.map(bufferOf),
    tensors: numTensors,
    data: numDataBuffers,
  };
}

/** What is different, in words. */
export function changesBetween(before: Evidence, after: Evidence): readonly string[] {
  const found: string[] = [];
  if (after.digest !== before.digest) found.push(`bits changed: ${before.digest} to ${after.digest}`);
  const differing = (a: readonly unknown[], b: readonly unknown[]): number =>
    a.length === b.length ? a.filter((each, i) => each !== b[i]).length : Infinity;
  const ids = differing(before.dataIds, after.dataIds);
  if (ids > 0) found.push(`${ids} tensors show other data`);
  const buffers = differing(before.buffers, after.buffers);
  if (buffers > 0) found.push(`${buffers} tensors are in other buffers`);
  if (after.tensors !== before.tensors)
    found.push(`${after.tensors - before.tensors} tensors were left behind`);
  if (after.data !== before.data) found.push(`${after.data - before.data} buffers were left behind`);
  return found;
}
