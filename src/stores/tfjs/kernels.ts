/**
 * Technique `stream` at work: one hook on the engine's kernels. A tensor that is streamed shows its modified data
 * while a kernel takes it as input, or while a layer runs that uses it again and again, and the original otherwise.
 */
import { engine, type NamedTensorMap, type Tensor } from "@tensorflow/tfjs-core";
import type { layers as tfl } from "@tensorflow/tfjs-layers";
import { hook, Hooks } from "./hook.ts";
import { submission } from "./submission.ts";

/** A tensor whose modified data is made when it is used. */
export interface Streamed {
  readonly tensor: Tensor;
  readonly backend: string;
  /** Whether its modified data has to be made for a use: not while it is in use already, or was written. */
  readonly isDue: boolean;
  /** Makes the modified data visible. */
  enter(): void;
  /** Frees it; the original is visible again. Cannot fail. */
  leave(): void;
}

const streamed = new Map<Tensor, Streamed>();

/** Runs `use` while all of `stages` that are due show their modified data. */
function during<R>(stages: Iterable<Streamed>, use: () => R): R {
  const entered: Streamed[] = [];
  try {
    for (const stage of stages) {
      if (!stage.isDue) continue;
      stage.enter();
      entered.push(stage);
    }
    return use();
  } finally {
    for (const stage of entered) stage.leave();
  }
}

/** The streamed tensors among a kernel's inputs. */
function inputsOf(inputs: Readonly<NamedTensorMap>): readonly Streamed[] {
  const found: Streamed[] = [];
  for (const input of Object.values(inputs)) {
    // Some kernels take a list for one input, or none for one that is optional.
    for (const tensor of Array.isArray(input) ? (input as readonly Tensor[]) : [input]) {
      const stage = streamed.get(tensor);
      if (stage !== undefined) found.push(stage);
    }
  }
  return found;
}

const kernelHook = new Hooks<Streamed>(() => [
  hook(engine(), "runKernel", (runKernel, _, args) => {
    const stages = inputsOf(args[1] as NamedTensorMap);
    return stages.length === 0 ? runKernel(...args) : during(stages, () => runKernel(...args));
  }),
]);

const loops = new Map<tfl.Layer, { readonly stages: Set<Streamed>; readonly remove: () => void }>();

/** Shows a stage's modified data throughout each call of `loop`. */
function addToLoop(loop: tfl.Layer, stage: Streamed): void {
  const stages = loops.get(loop)?.stages ?? new Set();
  if (stages.size === 0) {
    const remove = hook(loop, "call", (call, _, args) => during(stages, () => call(...args)));
    loops.set(loop, { stages, remove });
  }
  stages.add(stage);
}

function deleteFromLoop(loop: tfl.Layer, stage: Streamed): void {
  const { stages, remove } = loops.get(loop)!;
  stages.delete(stage);
  if (stages.size > 0) return;
  remove();
  loops.delete(loop);
}

/**
 * From now on the stage's tensor is streamed.
 *
 * @param loop - the layer that runs over time steps with it, if one does: it is then made once per call
 */
export function startStreaming(stage: Streamed, loop: tfl.Layer | undefined): void {
  if (streamed.has(stage.tensor)) return;
  streamed.set(stage.tensor, stage);
  kernelHook.add(stage);
  if (stage.backend === "webgpu") submission.add(stage);
  if (loop !== undefined) addToLoop(loop, stage);
}

/** The opposite of {@link startStreaming}. */
export function stopStreaming(stage: Streamed, loop: tfl.Layer | undefined): void {
  if (streamed.get(stage.tensor) !== stage) return;
  streamed.delete(stage.tensor);
  kernelHook.delete(stage);
  submission.delete(stage);
  if (loop !== undefined) deleteFromLoop(loop, stage);
}
