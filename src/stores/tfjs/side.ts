/**
 * Technique `side`: a dense layer adds `scaling · (x · aᵀ) · bᵀ` to what it computes, before its activation. No weight
 * is merged, so there is nothing to hold but the factors; whoever reads the kernel finds the original.
 */
import { add, matMul, mul, reshape, type Tensor, tidy } from "@tensorflow/tfjs-core";
import type { layers as tfl } from "@tensorflow/tfjs-layers";
import { UnsupportedError } from "../../errors.ts";
import type { LowRank, Step } from "../../step.ts";
import type { Layer, Parameter } from "../../store.ts";
import { alias } from "./engine.ts";
import { hook } from "./hook.ts";
import { matricesOf } from "./low-rank.ts";
import type { Entry } from "./parameters.ts";
import { UnmergedStage } from "./unmerged.ts";

/** What a dense layer does last, as far as it is used here. */
interface Activation {
  apply(x: Tensor): Tensor;
  getClassName(): string;
}

type Dense = tfl.Layer & { activation: Activation };

const linear: Activation = { apply: (x) => x, getClassName: () => "linear" };

function lowRankOf(step: Step<Tensor>): LowRank<Tensor> | undefined {
  return step.op === "add" && step.delta.kind === "lowRank" ? step.delta : undefined;
}

/** Throws UnsupportedError for what technique `side` cannot show; `isOpen`: another theater shows it in this way. */
export function assertSide({ parameter, users }: Entry, { steps }: Layer<Tensor>, isOpen: boolean): void {
  const name = JSON.stringify(parameter.name);
  const others = isOpen
    ? "The model is unchanged. Close the theater that is open on it with this technique first, or open that one with " +
      'technique "swap" or "stream".'
    : 'The model is unchanged. Use technique "swap" or "stream".';
  if (users.size === 0 || ![...users].every((layer) => layer.getClassName() === "Dense")) {
    throw new UnsupportedError(
      "technique",
      `technique "side" adds to the outputs of dense layers, and ${name} is not a kernel that dense layers of a ` +
        `tf.LayersModel, and nothing else, use. ${others}`,
    );
  }
  const other = steps.find((step) => lowRankOf(step) === undefined);
  if (other === undefined) return;
  throw new UnsupportedError(
    "technique",
    `technique "side" can only add low-rank products, without a magnitude, and ${name} is to be changed in another ` +
      `way (${other.op}). ${others}`,
  );
}

/**
 * Whether the product is computed by another kernel than without a side path: one that has the activation in it has
 * not here, and wasm packs the weights for each kernel.
 */
export function computesAnew({ users }: Entry): boolean {
  return [...users].some((layer) => (layer as Dense).activation.getClassName() !== linear.getClassName());
}

/** The kernel of dense layers, which add to their outputs what it lacks. */
export class SideStage extends UnmergedStage {
  readonly isDue = false;
  readonly #parameter: Parameter;
  readonly #layers: Iterable<Dense>;
  #remove: readonly (() => void)[] = [];
  #calls = 0;

  /** @param layers - all that use the tensor */
  constructor(tensor: Tensor, parameter: Parameter, layers: Iterable<tfl.Layer>) {
    super(tensor, parameter);
    this.#parameter = parameter;
    this.#layers = layers as Iterable<Dense>;
  }

  /** The merged weight, for whoever asks what the model is like: nobody does while it runs. */
  visible(): Tensor {
    return this.written() === "no" && this.steps.length > 0 ? this.merged() : alias(this.tensor);
  }

  override get isInUse(): boolean {
    return this.#calls > 0;
  }

  protected start(): void {
    if (this.#remove.length > 0) return;
    this.#remove = [...this.#layers].map((layer) =>
      hook(layer, "call", (call, _, args) => {
        const x = [args[0] as Tensor | readonly Tensor[]].flat()[0] as Tensor;
        // What was written is shown as it is.
        return this.written() === "no" ? this.#during(() => this.#call(layer, call, x, args)) : call(...args);
      }),
    );
  }

  protected stop(): void {
    for (const remove of this.#remove) remove();
    this.#remove = [];
  }

  #during<R>(use: () => R): R {
    this.#calls++;
    try {
      return use();
    } finally {
      this.#calls--;
    }
  }

  #call(layer: Dense, call: (...args: unknown[]) => unknown, x: Tensor, args: readonly unknown[]): Tensor {
    const { activation } = layer;
    return tidy(() => {
      let output: Tensor;
      // The layer's own way to its outputs, but for the activation, which comes after what is added.
      layer.activation = linear;
      try {
        output = call(...args) as Tensor;
      } finally {
        layer.activation = activation;
      }
      const rows = reshape(x, [-1, x.shape.at(-1)!]);
      for (const step of this.steps) {
        output = add(output, reshape(this.#side(rows, step), output.shape));
      }
      return activation.apply(output);
    });
  }

  /** What one step adds for each row of inputs. */
  #side(rows: Tensor, step: Step<Tensor>): Tensor {
    const delta = lowRankOf(step)!;
    const { a, b } = matricesOf(this.#parameter, delta, this.operands.of(step));
    // A kernel that is taken for [outputs, inputs] is b · a as it stands.
    if (delta.layout === "outIn") return matMul(mul(matMul(rows, b), delta.scaling), a);
    return matMul(mul(matMul(rows, a, false, true), delta.scaling), b, false, true);
  }
}
