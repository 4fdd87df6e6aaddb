/** TensorFlow.js models as the theater sees them. */
import { add, keep, mul, sub, type Tensor, tidy, type Variable } from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { describeValue, UnsupportedError } from "../../errors.ts";
import { fingerprint } from "../../fingerprint.ts";
import { operandOf, type Step } from "../../step.ts";
import type { Await, Bytes, Layer, Model, Parameter, Shown, Site, Stage, Technique } from "../../store.ts";
import { isRecord } from "../../plain.ts";
import { refuseOtherModels } from "../other-models.ts";
import { capsulesOf } from "./capsule.ts";
import { alias, backendOf, onBackend, readValues } from "./engine.ts";
import { costOf } from "./cost.ts";
import { type GraphModel, readGraphModel } from "./graph-model.ts";
import { readLayersModel } from "./layers-model.ts";
import { type Entry, type Inventory, readVariables } from "./parameters.ts";
import { checkFactor } from "./low-rank.ts";
import { assertSide, SideStage } from "./side.ts";
import { checkTensor } from "./steps.ts";
import { StreamStage } from "./stream.ts";
import { SwapStage } from "./swap.ts";
import { useBytesOf } from "./use.ts";

/** A model whose parameters a theater can modify: layers, a graph, or variables by name. */
export type TfjsModel = LayersModel | GraphModel | Readonly<Record<string, Variable>> | readonly Variable[];

/** Whether a custom function's result is added to the parameter. */
function addsDelta(step: Step<Tensor>): boolean {
  return step.op === "replace" && step.by.kind === "computed" && step.by.returns === "delta";
}

class TensorSite implements Site<Tensor> {
  readonly entry: Entry;

  constructor(entry: Entry) {
    this.entry = entry;
  }

  get parameter(): Parameter {
    return this.entry.parameter;
  }

  get key(): Tensor {
    return this.entry.tensor;
  }

  overlaps(): Iterable<object> {
    // Tensors have no parts that another tensor could be.
    return [];
  }

  cost(technique: Technique, shown: readonly Layer<Tensor>[], added: Layer<Tensor>): Bytes {
    if (this.parameter.dtype !== "float32") this.#assertNoArithmetic(added);
    if (technique === "side") assertSide(this.entry, added, shown.length > 0);
    return costOf(technique, this.parameter, shown, added, backendOf(this.entry.tensor).name);
  }

  #assertNoArithmetic({ steps }: Layer<Tensor>): void {
    const { name, dtype } = this.parameter;
    if (steps.every((step) => step.op === "zero" || (step.op === "replace" && !addsDelta(step)))) return;
    throw new UnsupportedError(
      "dtype",
      `${JSON.stringify(name)} is ${dtype}, and TensorFlow.js has no arithmetic that rounds to it: only disable, ` +
        "custom and interpolate with amount 1 can modify it, and custom by its value. The model is unchanged.",
    );
  }

  stage(technique: Technique): Stage<Tensor> {
    const { tensor, parameter, loop, users } = this.entry;
    if (technique === "swap") return new SwapStage(tensor, parameter);
    return technique === "side"
      ? new SideStage(tensor, parameter, users)
      : new StreamStage(tensor, parameter, loop);
  }

  fingerprint(): Await<string> {
    const values = readValues(this.entry.tensor);
    return ArrayBuffer.isView(values) ? fingerprint(values) : values.then(fingerprint);
  }

  read(): Await<ArrayLike<number>> {
    return readValues(this.entry.tensor);
  }

  check(step: Step<Tensor>, role: string): void {
    const name = JSON.stringify(this.parameter.name);
    const value = operandOf(step);
    if (value !== undefined) checkTensor(value, this.parameter, `${role}: the value for ${name}`);
  }

  checkOperand(value: Tensor, shape: readonly number[], role: string): void {
    checkFactor(value, shape, this.parameter, role);
  }

  readOperand(value: Tensor): Await<ArrayLike<number>> {
    return readValues(value);
  }

  isLive(value: Tensor): boolean {
    return value === this.entry.tensor;
  }

  assertAlive(): void {
    const { tensor, parameter } = this.entry;
    if (!tensor.isDisposed) return;
    throw new TypeError(`${JSON.stringify(parameter.name)} is disposed. Nothing was changed. Make it anew.`);
  }

  average(previous: Tensor | undefined, weight: number): Tensor {
    const { tensor } = this.entry;
    // Tensors are rebound, never written: an alias of the data is a copy.
    if (previous === undefined) return alias(tensor);
    const next = onBackend(backendOf(tensor).name, () =>
      keep(tidy(() => add(previous, mul(sub(tensor, previous), weight)))),
    );
    previous.dispose();
    return next;
  }

  get averageBytes(): number {
    return this.parameter.bytes;
  }

  free(average: Tensor): void {
    average.dispose();
  }
}

/** What `auto` tries; a side path shows less than the others, and only where it is asked for. */
const automatic: readonly Technique[] = ["swap", "stream"];

function isGraphModel(value: unknown): value is GraphModel {
  return typeof value === "object" && value !== null && "modelVersion" in value && "execute" in value;
}

function inventoryOf(model: TfjsModel): Inventory {
  refuseOtherModels(model, "surgical-theater/tfjs");
  const value: unknown = model;
  if (Array.isArray(value)) return readVariables(value);
  if (isGraphModel(value)) return readGraphModel(value);
  if (typeof (value as LayersModel | undefined | null)?.predict === "function") {
    return readLayersModel(value as LayersModel);
  }
  if (isRecord(value)) return readVariables(value);
  throw new TypeError(
    `a TensorFlow.js model is a tf.LayersModel, a tf.GraphModel or a record or list of tf.Variables, got ${describeValue(value)}. ` +
      "Nothing was changed.",
  );
}

/**
 * A TensorFlow.js model as the theater sees it.
 *
 * @throws TypeError, UnsupportedError for what is not such a model
 */
export function tfjsModel(model: TfjsModel): Model<Tensor> {
  const inventory = inventoryOf(model);
  const sites = inventory.entries.map((entry) => new TensorSite(entry));
  return {
    kind: inventory.kind,
    emptyHint: inventory.emptyHint,
    sites,
    layers: inventory.layers,
    // Tensors are immutable: a handle on the original costs no bytes and brings it back.
    watchesAll: true,
    capsules: capsulesOf(inventory),
    exports: inventory.exports,
    techniques: [...automatic, "side"],
    automatic: () => automatic,
    estimates: false,
    losesWrites: () => false,
    useBytes(targets) {
      const shown = new Map<Entry, Shown<Tensor>>();
      for (const site of sites) {
        const of = targets.get(site);
        if (of !== undefined) shown.set(site.entry, of);
      }
      return useBytesOf(inventory.entries, shown);
    },
  };
}
