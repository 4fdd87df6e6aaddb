/**
 * What other code does to a streamed tensor outside of kernels: reading it, or making a variable of it, gives the
 * modified values; writing to it fails, before a training step has computed or changed anything.
 */
import {
  AdadeltaOptimizer,
  AdagradOptimizer,
  AdamaxOptimizer,
  AdamOptimizer,
  engine,
  MomentumOptimizer,
  Optimizer,
  RMSPropOptimizer,
  SGDOptimizer,
  type Tensor,
  tidy,
  Variable,
} from "@tensorflow/tfjs-core";
import { type layers as tfl, LayersModel } from "@tensorflow/tfjs-layers";
import { isThenable } from "../../drive.ts";
import { listed, TheaterStateError } from "../../errors.ts";
import { type Around, hook, Hooks } from "./hook.ts";
import { ownerOf, ownersOf } from "./layer-methods.ts";
import type { Showing } from "./showing.ts";

const optimizers = [
  AdadeltaOptimizer,
  AdagradOptimizer,
  AdamaxOptimizer,
  AdamOptimizer,
  MomentumOptimizer,
  RMSPropOptimizer,
  SGDOptimizer,
];

/** A streamed tensor as its guards see it. */
export interface Guarded extends Pick<Showing, "name" | "rules" | "visible"> {
  readonly tensor: Tensor;
  /** Whether a read must be given the modified values: not while they are visible, or it was written. */
  readonly isDue: boolean;
  /** Is told of a write that was allowed. */
  noteWrite(): void;
  /** Disposes of a handle. Never throws. */
  discard(handle: Tensor): void;
}

const guarded = new Map<Tensor, { readonly stage: Guarded; readonly remove: readonly (() => void)[] }>();

/** @throws TheaterStateError `written_inside` if one of the tensors must not be written; nothing was */
function refuseWrites(tensors: Iterable<Tensor | undefined>): void {
  const names: string[] = [];
  for (const tensor of tensors) {
    const stage = tensor === undefined ? undefined : guarded.get(tensor)?.stage;
    if (stage?.rules.refuseWrites === true) names.push(stage.name);
  }
  if (names.length === 0) return;
  throw new TheaterStateError(
    "written_inside",
    `Something inside a theater tried to write to ${listed(names)}, shown modified while it is used. The write ` +
      'was refused, and what is shown did not change. Train outside the theater, or choose onWrite: "discard" or ' +
      '"keep".',
    names,
  );
}

const variablesOf = (names: readonly string[]): readonly (Variable | undefined)[] =>
  names.map((name) => engine().registeredVariables[name]);

const namesOf = (gradients: unknown): readonly string[] =>
  Array.isArray(gradients)
    ? (gradients as readonly { readonly name: string }[]).map(({ name }) => name)
    : Object.keys(gradients as object);

/** Gives a method that takes over the data of its first argument what that shows. */
const takingOver: Around = (method, _, [from, ...rest]) => {
  const stage = guarded.get(from as Tensor)?.stage;
  if (stage?.isDue !== true) return method(from, ...rest);
  const handle = stage.visible();
  try {
    return method(handle, ...rest);
  } finally {
    stage.discard(handle);
  }
};

const setting: Around = (set, self, args) => {
  refuseWrites((self as tfl.Layer).weights.map((weight) => weight.read()));
  return set(...args);
};

const hooks = new Hooks<Guarded>(() => [
  // Before the first weight is written.
  ...ownersOf("setWeights").map((owner) => hook(owner, "setWeights", setting)),
  hook(ownerOf("loadWeights"), "loadWeights", setting),
  // Before it begins: TensorFlow.js leaks the shuffled indices of an epoch that fails.
  ...(["fit", "fitDataset"] as const).map((name) =>
    hook(LayersModel.prototype, name, async (fit, self, args) => {
      refuseWrites((self as LayersModel).trainableWeights.map((weight) => weight.read()));
      return fit(...args);
    }),
  ),
  hook(Optimizer.prototype, "minimize", (minimize, _, args) => {
    // Where it is known what is trained, before anything is computed.
    refuseWrites((args[2] as readonly Variable[] | undefined) ?? []);
    // Else the gradients' names tell, and what is there by then goes with the scope.
    return tidy(() => minimize(...args) as Tensor);
  }),
  ...optimizers.map(({ prototype }) =>
    hook(prototype, "applyGradients", (apply, _, args) => {
      refuseWrites(variablesOf(namesOf(args[0])));
      return apply(...args);
    }),
  ),
  hook(engine(), "makeVariable", takingOver),
  hook(Variable.prototype, "assign", takingOver),
]);

function guardRead(stage: Guarded, name: "data" | "dataSync" | "bytes" | "dataToGPU"): () => void {
  return hook(stage.tensor, name, (original, _, args) => {
    if (!stage.isDue) return original(...args);
    const handle = stage.visible();
    let result: unknown;
    try {
      result = (handle[name] as (...args: readonly unknown[]) => unknown)(...args);
    } catch (error) {
      stage.discard(handle);
      throw error;
    }
    if (isThenable(result)) return Promise.resolve(result).finally(() => stage.discard(handle));
    stage.discard(handle);
    return result;
  });
}

/** From now on the stage's tensor is guarded. */
export function guard(stage: Guarded): void {
  const { tensor } = stage;
  if (guarded.has(tensor)) return;
  hooks.add(stage);
  const remove = (["data", "dataSync", "bytes", "dataToGPU"] as const).map((name) => guardRead(stage, name));
  if ("assign" in tensor) {
    remove.push(
      hook(tensor, "assign", (assign, _, args) => {
        refuseWrites([tensor]);
        assign(...args);
        stage.noteWrite();
      }),
    );
  }
  guarded.set(tensor, { stage, remove });
}

/** The opposite of {@link guard}. */
export function unguard(stage: Guarded): void {
  const found = guarded.get(stage.tensor);
  if (found?.stage !== stage) return;
  for (const remove of found.remove) remove();
  guarded.delete(stage.tensor);
  hooks.delete(stage);
}
