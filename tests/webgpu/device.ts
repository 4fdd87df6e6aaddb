/** The WebGPU backend of TensorFlow.js and its device, looked at beside the library under test. */
import { engine, type Tensor } from "@tensorflow/tfjs-core";

interface Entry {
  values: unknown;
  readonly resource?: GPUBuffer | null;
}

interface WebGpuBackend {
  readonly bufferManager: BufferManager;
  readonly tensorMap: { get(dataId: object): Entry; has(dataId: object): boolean };
  readonly commandEncoder: unknown;
  convertAndCacheOnCPU(dataId: object, values: unknown): unknown;
  endComputePassEncoder(): void;
  submitQueue(): void;
  uploadToGPU(dataId: object): void;
}

/** Who makes and reuses the buffers of the device. */
export interface BufferManager {
  readonly numBytesUsed: number;
  readonly numUsedBuffers: number;
  acquireBuffer(size: number, usage: number, mappedAtCreation?: boolean, reuse?: boolean): GPUBuffer;
}

const backend = (): WebGpuBackend => engine().backend as unknown as WebGpuBackend;

export const bufferManager = (): BufferManager => backend().bufferManager;

/** Lets the device have what kernels are waiting for; buffers that were disposed of are free after that. */
export function submit(): void {
  if (backend().commandEncoder === null) return;
  backend().endComputePassEncoder();
  backend().submitQueue();
}

/** The device's buffer behind a tensor; none as long as its values are on the host alone. */
export const bufferOf = ({ dataId }: Tensor): GPUBuffer | undefined =>
  backend().tensorMap.get(dataId).resource ?? undefined;

/** Gives a tensor's values to the device, as the first kernel that uses it would. */
export function upload<T extends Tensor>(tensor: T): T {
  backend().uploadToGPU(tensor.dataId);
  submit();
  return tensor;
}

const cached = new Set<object>();
let watching = false;

function watch(): void {
  if (watching) return;
  watching = true;
  const { convertAndCacheOnCPU } = backend();
  backend().convertAndCacheOnCPU = function (dataId, values) {
    cached.add(dataId);
    return convertAndCacheOnCPU.call(this, dataId, values);
  };
}

/**
 * A copy of what `tensor` shows, from the device: the backend keeps on the host what it reads, and would give it
 * again whatever had become of the buffer. No such copy is left.
 */
export async function readFromDevice(tensor: Tensor): Promise<Float32Array> {
  watch();
  const values = (await tensor.data()) as Float32Array;
  for (const dataId of cached) {
    // What was read may be gone by now: of a streamed tensor that is what was made to be read.
    if (backend().tensorMap.has(dataId)) backend().tensorMap.get(dataId).values = null;
  }
  cached.clear();
  return values.slice();
}

/** The most bytes of the device that `run` uses at a time, beyond those before it. */
export function peakBytes(run: () => void): number {
  submit();
  const manager = bufferManager();
  const { acquireBuffer } = manager;
  const before = manager.numBytesUsed;
  let peak = before;
  manager.acquireBuffer = function (...args) {
    const buffer = acquireBuffer.apply(this, args);
    peak = Math.max(peak, this.numBytesUsed);
    return buffer;
  };
  try {
    run();
  } finally {
    manager.acquireBuffer = acquireBuffer;
  }
  return peak - before;
}
