/** Whether a line of a results file is one of its records: nobody else is believed to have written it. */
import { describeValue } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import { isRecord } from "../plain.ts";
import type { Header, ResultRecord, Samples } from "./records.ts";

/** What a value must be, or undefined if it is. */
type Check = (value: unknown) => string | undefined;

const check =
  (what: string, isSo: (value: unknown) => boolean): Check =>
  (value) =>
    isSo(value) ? undefined : what;

const text = check("a text", (value) => typeof value === "string");
const flag = check("true or false", (value) => typeof value === "boolean");
const whole = check("a whole number", (value) => Number.isSafeInteger(value) && (value as number) >= 0);
const positive = check("a positive number", (value) => Number.isSafeInteger(value) && (value as number) > 0);
const amount = check("a number of 0 or more", (value) => Number.isFinite(value) && (value as number) >= 0);
const digest = check("a digest", (value) => typeof value === "string" && /^[0-9a-f]{32}$/.test(value));
const time = check(
  "a time in ISO 8601",
  (value) => typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value),
);
const oneOf = (...values: readonly unknown[]): Check =>
  check(values.map((value) => JSON.stringify(value)).join(" or "), (value) => values.includes(value));
const texts = check(
  "a list of texts",
  (value) => Array.isArray(value) && value.every((each) => typeof each === "string"),
);
const recordOf = (what: string, isSo: (value: unknown) => boolean): Check =>
  check(`a record of ${what}`, (value) => isRecord(value) && Object.values(value).every(isSo));
const numbers = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every((each) => Number.isFinite(each));
const samples = recordOf("lists of numbers", numbers);
const error = check("{ name, message }", (value) => {
  if (!isRecord(value)) return false;
  const { name, message, code = "", ...others } = value;
  return [name, message, code].every((each) => typeof each === "string") && Object.keys(others).length === 0;
});
const objective = check("{ metric, mode }", (value) => {
  if (!isRecord(value)) return false;
  const { metric, mode, ...others } = value;
  return typeof metric === "string" && (mode === "max" || mode === "min") && Object.keys(others).length === 0;
});

const ofTrial = {
  id: digest,
  name: text,
  kind: text,
  tags: recordOf("texts and numbers", (value) => typeof value === "string" || Number.isFinite(value)),
  rank: whole,
  finished: time,
};

type Shape<R> = { readonly [K in keyof Required<Omit<R, "record">>]: Check };

const shapes: { readonly [N in ResultRecord["record"]]: Shape<Extract<ResultRecord, { record: N }>> } = {
  sweep: {
    version: oneOf(1),
    name: text,
    objective,
    repeats: positive,
    fingerprints: recordOf("digests", (value) => digest(value) === undefined),
    modelBytes: whole,
    started: time,
  },
  baseline: { metrics: samples, evaluateMs: amount, rank: whole, finished: time },
  trial: {
    ...ofTrial,
    metrics: samples,
    modifications: texts,
    technique: text,
    heldBytes: whole,
    targetBytes: whole,
    identical: flag,
    proofs: texts,
    openMs: amount,
    closeMs: amount,
    evaluateMs: amount,
  },
  failure: { ...ofTrial, error },
  end: { finished: time, identical: flag, rank: whole },
};

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}

/** What is wrong with metrics of the sweep of `header`: their number, or their names. */
function problemOfMetrics(metrics: Samples, { objective, repeats }: Header): string | undefined {
  if (!Object.hasOwn(metrics, objective.metric)) {
    return `metrics have no ${JSON.stringify(objective.metric)}, which the first line names`;
  }
  const wrong = Object.keys(metrics).find((name) => metrics[name]!.length !== repeats);
  return wrong === undefined
    ? undefined
    : `metrics.${wrong} has ${metrics[wrong]!.length} values, and the first line says ${repeats} repeats`;
}

/**
 * What is wrong with `value` as a record, or undefined.
 *
 * @param header - the first line; undefined for the first line itself
 */
export function problemOf(value: unknown, header: Header | undefined): string | undefined {
  if (!isRecord(value)) return `it is ${describeValue(value)}`;
  const { record, ...others } = value;
  if (typeof record !== "string" || !Object.hasOwn(shapes, record)) {
    return `its record is ${describeValue(record)}`;
  }
  if ((record === "sweep") !== (header === undefined)) {
    return header === undefined
      ? `its record is ${JSON.stringify(record)}, not "sweep"`
      : "it begins another sweep";
  }
  const shape: Readonly<Record<string, Check>> = shapes[record as keyof typeof shapes];
  for (const [key, isSo] of Object.entries(shape)) {
    if (!Object.hasOwn(others, key)) return `it has no ${key}`;
    const wanted = isSo(others[key]);
    if (wanted !== undefined) return `${key} must be ${wanted}, and is ${describeValue(others[key])}`;
  }
  if (!sameNames(Object.keys(others), Object.keys(shape))) {
    const unknown = Object.keys(others).find((key) => !Object.hasOwn(shape, key))!;
    const hint = didYouMean(unknown, Object.keys(shape));
    return `it has an unknown ${JSON.stringify(unknown)}${hint && `.${hint}`}`;
  }
  const { metrics } = others;
  return header === undefined || metrics === undefined
    ? undefined
    : problemOfMetrics(metrics as Samples, header);
}
