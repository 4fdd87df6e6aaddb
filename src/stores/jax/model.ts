/** Trees of jax-js arrays as the theater sees them. Every theater derives a tree of its own. */
import { describeValue, UnsupportedError } from "../../errors.ts";
import { fingerprint } from "../../fingerprint.ts";
import { layerPathOf } from "../../layers.ts";
import { operandOf, type Step } from "../../step.ts";
import type { Await, Bytes, Capsule, Layer, Model, Parameter, Site, Stage } from "../../store.ts";
import { refuseOtherModels } from "../other-models.ts";
import { alias, bytesOf, isArray, isFreed, isSynchronous, type JaxArray, readValues } from "./arrays.ts";
import { costOf, isShared, mayWait, temporaryBytes } from "./cost.ts";
import { JaxStage } from "./stage.ts";
import { checkArray } from "./steps.ts";
import { arraysOf, isTree } from "./tree.ts";
import { sharesZeros, Zeros } from "./zeros.ts";

/** One array of a tree, for one theater. */
export class JaxSite implements Site<JaxArray> {
  readonly parameter: Parameter;
  readonly array: JaxArray;
  /** Derived trees have nothing in common: no two theaters meet. */
  readonly key = {};
  readonly #zeros: Zeros;
  #stage: JaxStage | undefined;
  /** As it was read last. */
  #fingerprint: string | undefined;

  constructor(array: JaxArray, parameter: Parameter, zeros: Zeros) {
    this.array = array;
    this.parameter = parameter;
    this.#zeros = zeros;
  }

  /** What the modified tree shows; lent. */
  get visible(): JaxArray {
    return this.#stage!.visible;
  }

  overlaps(): Iterable<object> {
    return [];
  }

  cost(_technique: string, shown: readonly Layer<JaxArray>[], added: Layer<JaxArray>): Bytes {
    const steps = [...shown, added].flatMap((layer) => layer.steps);
    // The theater's zeros are as long as the longest parameter that shows some, and made before all of those are shown.
    if (isShared(steps, steps.length - 1)) this.#zeros.reserve(this.array);
    return costOf(steps, this.parameter.bytes, this.#zeros.bytesOn(this.array.device));
  }

  stage(): Stage<JaxArray> {
    this.#stage = new JaxStage(this.array, this.parameter, this.#zeros);
    return this.#stage;
  }

  fingerprint(): Await<string> {
    // A value never changes: one that was freed meanwhile had its bytes to the end.
    if (this.#fingerprint !== undefined && isFreed(this.array)) return this.#fingerprint;
    const values = readValues(this.array);
    const digest = (bytes: ArrayBufferView): string => (this.#fingerprint = fingerprint(bytes));
    return ArrayBuffer.isView(values) ? digest(values) : values.then(digest);
  }

  read(): Await<ArrayLike<number>> {
    return readValues(this.array);
  }

  check(step: Step<JaxArray>, role: string): void {
    const { parameter } = this;
    const name = JSON.stringify(parameter.name);
    const value = operandOf(step);
    if (value !== undefined) {
      checkArray(value, parameter, parameter.shape, `${role}: the value for ${name}`);
      this.#checkDevice(value, `${role}: the value for ${name}`);
    }
    if (isArithmetic(step) && parameter.dtype !== "float32") {
      throw new UnsupportedError(
        "dtype",
        `${role}: ${name} is ${parameter.dtype}, and only float32 is computed with. Nothing was changed. Only disable, ` +
          "custom by its value, and interpolate with amount 1 can modify it.",
      );
    }
    if (step.op === "zero" && !sharesZeros(parameter.dtype)) {
      throw new UnsupportedError(
        "dtype",
        `${role}: ${name} is ${parameter.dtype}, for which there are no shared zeros. Nothing was changed. ` +
          "Use custom with np.zerosLike.",
      );
    }
  }

  checkOperand(value: JaxArray, shape: readonly number[], role: string): void {
    const what = `${role} ${JSON.stringify(this.parameter.name)}`;
    const size = shape.reduce((product, length) => product * length, 1);
    // Factors of convolutions have more dimensions, which come to the same.
    const isFlat = isArray(value) && value.shape[0] === shape[0] && value.size === size;
    checkArray(value, this.parameter, isFlat ? value.shape : shape, what);
    this.#checkDevice(value, what);
  }

  readOperand(value: JaxArray): Await<ArrayLike<number>> {
    return readValues(value);
  }

  #checkDevice({ device }: JaxArray, what: string): void {
    // What stands for an array while a function is traced has no device.
    if (device === this.array.device || device === undefined || this.array.device === undefined) return;
    throw new UnsupportedError(
      "engine",
      `${what} is on ${device}, and the parameter is on ${this.array.device}. Nothing was changed. ` +
        "Bring it there with jax.devicePut.",
    );
  }

  isLive(): boolean {
    // Values never change, so that showing one is showing a copy.
    return false;
  }

  assertAlive(): void {
    if (!isFreed(this.array)) return;
    throw new TypeError(
      `${JSON.stringify(this.parameter.name)} is freed: it was passed to something that consumed it. Nothing was changed. ` +
        "Pass tree.ref(params) there.",
    );
  }

  average(previous: JaxArray | undefined, weight: number): JaxArray {
    if (previous === undefined) return alias(this.array);
    return previous.add(this.array.ref.sub(previous.ref).mul(weight));
  }

  free(average: JaxArray): void {
    average.dispose();
  }

  get averageBytes(): number {
    return this.parameter.bytes;
  }
}

/** Whether a step computes with values. */
function isArithmetic(step: Step<JaxArray>): boolean {
  if (step.op !== "replace") return step.op !== "zero";
  return step.by.kind === "derived" || (step.by.kind === "computed" && step.by.returns === "delta");
}

/** The arrays of a tree as sites; an array that is there twice is one. */
function sitesOf(tree: unknown, zeros: Zeros): readonly JaxSite[] {
  const names = new Map<JaxArray, [name: string, ...aliases: string[]]>();
  const layers = new Set<string>();
  for (const [name, array] of arraysOf(tree)) {
    const tied = names.get(array);
    if (tied === undefined) {
      names.set(array, [name]);
      layers.add(layerPathOf(name));
    } else tied.push(name);
  }
  const inOrder = [...layers];
  return [...names].map(([array, [name, ...aliases]], index) => {
    const layer = layerPathOf(name);
    const { shape, dtype } = array;
    const place = { layer, index, layerIndex: inOrder.indexOf(layer) };
    const bytes = bytesOf(array);
    const parameter = { name, aliases, ...place, shape: [...shape], dtype, bytes, trainable: true };
    const site = new JaxSite(array, parameter, zeros);
    site.assertAlive();
    return site;
  });
}

/** What a theater made beside its stages. */
function handedOut(close: () => void): Capsule {
  return { key: {}, name: "the modified tree", save: () => ({ restore: close, discard: close }) };
}

/** A tree, for one theater. */
export interface JaxModel extends Model<JaxArray> {
  readonly sites: readonly JaxSite[];
}

/**
 * A tree of jax-js arrays as the theater sees it: for one theater, once.
 *
 * @param onClose - called when a theater on it closes, or fails to open
 * @throws TypeError, UnsupportedError for what is not such a tree
 */
export function jaxModel(tree: unknown, onClose = (): void => {}): JaxModel {
  const zeros = new Zeros();
  const sites = sitesOf(tree, zeros);
  // Others are known by their shape, which a tree with arrays may have too.
  if (sites.length === 0) refuseOtherModels(tree, "surgical-theater/jax");
  if (sites.length === 0 && !isTree(tree)) {
    throw new TypeError(
      `params must be a tree of jax.Arrays, got ${describeValue(tree)}. Nothing was changed.`,
    );
  }
  const close = (): void => {
    onClose();
    zeros.free();
  };
  return {
    kind: "tree of jax.Arrays",
    emptyHint: "Give the plain objects and lists that your arrays are in.",
    sites,
    layers: [...new Set(sites.map(({ parameter }) => parameter.layer))],
    techniques: ["swap"],
    automatic: () => ["swap"],
    estimates: false,
    losesWrites: () => false,
    watchesAll: true,
    capsules: [handedOut(close)],
    exports: false,
    useBytes(targets) {
      // Where kernels wait until something is awaited, so do all temporaries.
      let transient = 0;
      for (const site of sites) {
        const of = targets.get(site);
        const steps = of?.layers.flatMap((layer) => layer.steps) ?? [];
        if (isSynchronous(site.array.device) && !mayWait(steps)) continue;
        transient += temporaryBytes(steps, site.parameter.bytes);
      }
      return { transient, engine: 0 };
    },
  };
}
