/** What a case of bad input is, and the ways to run one. */
import type { Subject } from "./subjects.ts";

/** One mistake, and what its error must say. */
export interface Case {
  /** Follows "refuses". */
  readonly name: string;
  /** Makes the mistake; throws, or returns a promise that rejects. */
  readonly run: (subject: Subject) => unknown;
  readonly error: abstract new (...args: never[]) => Error;
  /** Of our own errors; a built-in error has none. */
  readonly code?: string;
  /** What the message must contain: the thing's name, and the remedy where there is one. */
  readonly says: readonly string[];
  /** How the message tells the state of the model. Default: any of the usual ways; `"none"`: not our error. */
  readonly state?: RegExp | "none";
  /** Where it can happen. Default: everywhere. */
  readonly on?: Subject["entryPoint"] | readonly Subject["entryPoint"][];
}

/** The usual ways to say that the model is as it was. */
export const asItWas = /unchanged|Nothing was changed|Every parameter is as it was|Every parameter is back/;

/** What the body of a refused theater must never do. */
export function body(): never {
  throw new Error("the body ran");
}

/** Opens a theater on the standard model with these options. */
export function opening(options: unknown): Case["run"] {
  return ({ entry, model }) => entry.withTheater(model, options, body);
}

/** Opens a theater with a modification that this subject makes, on every parameter that may be selected. */
export function modifying(modification: (subject: Subject) => unknown, layers?: unknown): Case["run"] {
  return (subject) => {
    const options = { modification: modification(subject), ...(layers === undefined ? {} : { layers }) };
    return subject.entry.withTheater(subject.model, options, body);
  };
}

/** Opens a theater on a model of its own. */
export function given(model: (subject: Subject) => unknown): Case["run"] {
  return (subject) =>
    subject.entry.withTheater(
      model(subject),
      { modification: subject.entry.scale(0.5), layers: "all" },
      body,
    );
}
