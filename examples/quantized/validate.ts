/** Validations of a quantized model under theaters, and the evidence that it comes back. */
// In a project of your own: from "surgical-theater".
import { type Receipt, type Report, surgicalTheater, withTheater } from "../../src/index.ts";
import { digestOf } from "../support/digest.ts";
import type { Digits } from "../support/digits.ts";
import { dequantized, evaluate, layersOf, type Model, type Score } from "./model.ts";
import type { View } from "./views.ts";

/** One view of a model. */
export interface Validation {
  readonly view: View;
  /** What the codes and scales show. */
  readonly shown: Score;
  /** What was asked for: the same modification of a dequantized copy, where no grid rounds it. */
  readonly asked: Score;
  /** By parameter, how much of it the grid shows, as the library says. */
  readonly realised: Report["realised"];
  /** The relative errors among these, computed here from the values themselves. */
  readonly errors: ReadonlyMap<string, number>;
  /** SHA-256 of all codes, scales and state: before, inside, and after each theater. */
  readonly digests: { readonly before: string; readonly inside: string; readonly after: readonly string[] };
  /** Of all theaters: the same one is opened several times, for the sake of its times. */
  readonly receipts: readonly Receipt[];
}

export type Data = Readonly<Record<View["digits"], Digits>>;

const openings = 5;

/** Validates a model as `view` has it. */
export function validate(model: Model, view: View, data: Data): Validation {
  const { options } = view;
  const digits = data[view.digits];
  const before = digest(model);
  const original = dequantized(model);
  const copy = dequantized(model);
  const [receipts, after]: [Receipt[], string[]] = [[], []];

  const look = (): Pick<Validation, "shown" | "asked" | "realised" | "errors"> & { inside: string } => {
    // This is all: from here on the model shows other weights, until the theater is closed.
    using theater = surgicalTheater(model, {
      ...options,
      onReceipt: (receipt) => void receipts.push(receipt),
    });
    const { realised } = theater.report();
    const shown = evaluate(layersOf(model), digits);
    const inside = digest(model);
    return withTheater(copy, { ...options, technique: "copy" }, () => {
      const visible = dequantized(model);
      const errorOf = (name: string): number =>
        distance(visible[name]!.data, copy[name]!.data) / distance(copy[name]!.data, original[name]!.data);
      const errors = new Map([...realised.keys()].map((name) => [name, errorOf(name)]));
      return { shown, asked: evaluate(layersOf(copy), digits), realised, errors, inside };
    });
  };
  const { inside, ...found } = look();
  after.push(digest(model));
  for (let i = 1; i < openings; i++) {
    receipts.push(surgicalTheater(model, options).close());
    after.push(digest(model));
  }
  return { view, ...found, digests: { before, inside, after }, receipts };
}

/** ‖one − other‖. */
function distance(one: Float32Array, other: Float32Array): number {
  return Math.sqrt(one.reduce((sum, each, i) => sum + (each - other[i]!) ** 2, 0));
}

/** SHA-256 over the bytes of all arrays of a model: floats, codes, scales and state. */
export function digest(model: Model): string {
  return digestOf(...arraysIn(model));
}

function arraysIn(value: unknown): readonly ArrayBufferView[] {
  if (ArrayBuffer.isView(value)) return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(arraysIn) : [];
}
