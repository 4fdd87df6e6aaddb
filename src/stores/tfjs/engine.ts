/**
 * What this store needs from the TensorFlow.js engine beyond its documented operations: a second handle on a
 * tensor's data without a copy, and the exchange of two tensors' data. Neither runs a kernel, so neither is
 * taped, moves data, or depends on the current backend.
 */
import {
  engine,
  keep,
  type KernelBackend,
  Tensor,
  type TypedArray,
  type Variable,
  version_core,
} from "@tensorflow/tfjs-core";
import { UnsupportedError } from "../../errors.ts";
import type { Await } from "../../store.ts";

/** Backends that can read values without waiting. */
const synchronous: ReadonlySet<string> = new Set(["cpu", "wasm", "tensorflow"]);

/** Fails at load, not in the middle of a training run, if this is not the engine that the store was written for. */
function assertEngine(): void {
  const core = engine();
  const methods = ["makeTensorFromTensorInfo", "disposeTensor", "setBackend", "runKernel"] as const;
  const missing: string[] = methods.filter((method) => typeof core[method] !== "function");
  if (!(core.state.tensorInfo instanceof WeakMap)) missing.push("state.tensorInfo");
  const dataId = {};
  // Constructed outside the engine's books: nothing to dispose of.
  const probe = new Tensor([1], "float32", {}, -1);
  probe.dataId = dataId;
  if (probe.dataId !== dataId) missing.push("writable Tensor.dataId");
  if (missing.length > 0) {
    throw new UnsupportedError(
      "engine",
      `surgical-theater/tfjs relies on parts of @tensorflow/tfjs-core that version ${version_core} does not have: ` +
        `${missing.join(", ")}. Install @tensorflow/tfjs-core 4.22.`,
    );
  }
}

assertEngine();

const names = new WeakMap<KernelBackend, string>();

function nameOf(backend: KernelBackend): string | undefined {
  const known = names.get(backend);
  // A backend can be removed, and another one registered under its name.
  if (known !== undefined && engine().registry[known] === backend) return known;
  const found = Object.entries(engine().registry).find(([, each]) => each === backend)?.[0];
  if (found !== undefined) names.set(backend, found);
  return found;
}

/** Where a tensor's data lives. */
export function backendOf(tensor: Tensor): { readonly name: string; readonly backend: KernelBackend } {
  const backend = engine().state.tensorInfo.get(tensor.dataId)?.backend;
  const name = backend === undefined ? undefined : nameOf(backend);
  if (backend === undefined || name === undefined) {
    throw new UnsupportedError(
      "engine",
      "A tensor's data is unknown to the TensorFlow.js engine: it was disposed of, or belongs to a backend that " +
        "was removed. The model is unchanged.",
    );
  }
  return { name, backend };
}

/**
 * A kept handle of its own on the data of `tensor`, by default of the same shape: nothing is copied, and it
 * survives what it was made from.
 */
export function alias(tensor: Tensor, shape: readonly number[] = tensor.shape): Tensor {
  const { backend } = backendOf(tensor);
  const info = { dataId: tensor.dataId, shape: [...shape], dtype: tensor.dtype };
  const handle = engine().makeTensorFromTensorInfo(info, backend);
  backend.incRef(tensor.dataId);
  return keep(handle);
}

/** Whether the engine has the tensor on its list of variables. */
export function isRegistered(tensor: Tensor): boolean {
  return engine().state.registeredVariables[(tensor as Variable).name] === tensor;
}

/** Exchanges the data of two tensors of one shape and dtype: the buffers stay where they are. */
export function exchange(a: Tensor, b: Tensor): void {
  const { dataId } = a;
  a.dataId = b.dataId;
  b.dataId = dataId;
}

/**
 * Runs `fn` with the named backend as the current one. A kernel reads its inputs on the current backend and
 * moves them there if need be; running where the data lives keeps the originals' buffers where they are.
 */
export function onBackend<R>(name: string, fn: () => R): R {
  const current = engine().backendName;
  if (current === name) return fn();
  // For a backend that has data, and so is initialised, the switch is done before the promise is returned.
  void engine().setBackend(name);
  try {
    return fn();
  } finally {
    void engine().setBackend(current);
  }
}

/** Runs `fn` off the gradient tape. */
export function untaped<R>(fn: () => R): R {
  const { state } = engine();
  const depth = state.gradientDepth;
  state.gradientDepth = 0;
  try {
    return fn();
  } finally {
    state.gradientDepth = depth;
  }
}

interface Cached {
  values: unknown;
  resource?: unknown;
}

interface WithHostCache {
  readonly tensorMap?: { get(dataId: object): Cached | undefined };
}

const isSet = (value: unknown): boolean => value !== undefined && value !== null;

/**
 * A tensor's values. On cpu they are the live storage: lent, not to be written. On devices they must be awaited;
 * the host copy that the webgpu backend keeps of what it reads is dropped again.
 */
export function readValues(tensor: Tensor): Await<TypedArray> {
  const { name, backend } = backendOf(tensor);
  if (synchronous.has(name)) return onBackend(name, () => tensor.dataSync());
  const entry = (): Cached | undefined => (backend as WithHostCache).tensorMap?.get(tensor.dataId);
  const cached = isSet(entry()?.values);
  return onBackend(name, () => tensor.data()).then((values) => {
    const after = entry();
    if (!cached && after !== undefined && isSet(after.resource)) after.values = null;
    return values;
  });
}
