/**
 * Memory of TensorFlow.js, measured without the library under test: by unique data, since `tf.memory().numBytes`
 * counts a buffer once per handle.
 */
import { engine, type Tensor, util } from "@tensorflow/tfjs-core";

/** Numbers that are the same again when nothing has leaked. */
export function liveCounts(): Record<string, number> {
  const core = engine();
  const { numTensors, numDataBuffers } = core.memory();
  return { numTensors, numDataBuffers, inBackend: core.backend.numDataIds() };
}

/** Bytes more than at the beginning: now, and at the worst moment so far. */
export interface Meter {
  readonly grown: () => number;
  readonly peak: () => number;
  readonly stop: () => void;
}

/** Follows every buffer that the engine makes and frees from now on. */
export function startMeter(): Meter {
  const core = engine();
  const { trackTensor, removeDataId } = core;
  const live = new Map<object, number>();
  let grown = 0;
  let peak = 0;
  core.trackTensor = function (tensor: Tensor, backend): void {
    if (!core.state.tensorInfo.has(tensor.dataId)) {
      const bytes = tensor.size * util.bytesPerElement(tensor.dtype);
      live.set(tensor.dataId, bytes);
      grown += bytes;
      peak = Math.max(peak, grown);
    }
    trackTensor.call(core, tensor, backend);
  };
  core.removeDataId = function (dataId, backend): void {
    grown -= live.get(dataId) ?? core.state.tensorInfo.get(dataId)!.bytes;
    live.delete(dataId);
    removeDataId.call(core, dataId, backend);
  };
  return {
    grown: () => grown,
    peak: () => peak,
    stop() {
      core.trackTensor = trackTensor;
      core.removeDataId = removeDataId;
    },
  };
}
