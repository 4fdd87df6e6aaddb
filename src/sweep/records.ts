/**
 * What a results file holds: one JSON object a line, the header first, in the order in which things happened. Lines are
 * only ever added.
 */
import type { Tags } from "./trial.ts";

/** By metric, one value for each repeat. */
export type Samples = Readonly<Record<string, readonly number[]>>;

/** Which metric decides, and which way. */
export interface Objective {
  readonly metric: string;
  readonly mode: "max" | "min";
}

/** The first line: what was swept. */
export interface Header {
  readonly record: "sweep";
  /** Of this format. */
  readonly version: 1;
  readonly name: string;
  readonly objective: Objective;
  readonly repeats: number;
  /** Digest of each parameter's bytes, by name: results of another model are not mixed with these. */
  readonly fingerprints: Readonly<Record<string, string>>;
  readonly modelBytes: number;
  /** ISO 8601. */
  readonly started: string;
}

/** The model as it is, evaluated before the first trial, at intervals, and at the end. */
export interface BaselineRecord {
  readonly record: "baseline";
  readonly metrics: Samples;
  /** Milliseconds for all repeats. */
  readonly evaluateMs: number;
  /** Which MPI rank; 0 where there is one. */
  readonly rank: number;
  /** ISO 8601. */
  readonly finished: string;
}

/** What all lines about a trial say. */
interface OfTrial {
  /** Digest of what the trial shows, and of the name: what resuming goes by. */
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly tags: Tags;
  readonly rank: number;
  /** ISO 8601: when it was over. */
  readonly finished: string;
}

/** A trial that was evaluated, and after which the model was back. */
export interface TrialRecord extends OfTrial {
  readonly record: "trial";
  readonly metrics: Samples;
  /** One line per modification. */
  readonly modifications: readonly string[];
  readonly technique: string;
  readonly heldBytes: number;
  readonly targetBytes: number;
  /** Of the receipt: whether every parameter came back bit for bit, and by which proofs. */
  readonly identical: boolean;
  readonly proofs: readonly string[];
  readonly openMs: number;
  readonly closeMs: number;
  readonly evaluateMs: number;
}

/**
 * A trial that threw, or that was evaluated and cannot be relied on any more, because the model was not what it had been
 * when it was next looked at. Resuming tries it again.
 */
export interface FailureRecord extends OfTrial {
  readonly record: "failure";
  readonly error: { readonly name: string; readonly code?: string; readonly message: string };
}

/** The sweep came to its end, with everything as it was. */
export interface EndRecord {
  readonly record: "end";
  /** ISO 8601. */
  readonly finished: string;
  /** Whether all parameters had the fingerprints of the header. */
  readonly identical: boolean;
  readonly rank: number;
}

/** One line. */
export type ResultRecord = Header | BaselineRecord | TrialRecord | FailureRecord | EndRecord;

/** All that is known about a sweep, finished or not. Of several records of one name only the latest is in it. */
export interface Results {
  readonly header: Header;
  readonly baselines: readonly BaselineRecord[];
  /** In the order in which they finished. */
  readonly trials: readonly TrialRecord[];
  /** Those of trials that did not succeed later. */
  readonly failures: readonly FailureRecord[];
  /** Undefined for a sweep that has not come to its end, or was taken up again after it. */
  readonly end: EndRecord | undefined;
}

/** All but headers, in the order in which they were written. */
export type Entry = Exclude<ResultRecord, Header>;

/** What records say together, the latest of each name. */
export function resultsOf(header: Header, entries: readonly Entry[]): Results {
  const latest = new Map<string, TrialRecord | FailureRecord>();
  for (const entry of entries) {
    if (entry.record !== "trial" && entry.record !== "failure") continue;
    latest.delete(entry.name); // so that it moves to the end
    latest.set(entry.name, entry);
  }
  const all = [...latest.values()];
  const ofFirst = entries.filter(({ rank }) => rank === 0);
  const last = ofFirst.at(-1);
  return {
    header,
    baselines: entries.filter((entry) => entry.record === "baseline"),
    trials: all.filter((entry) => entry.record === "trial"),
    failures: all.filter((entry) => entry.record === "failure"),
    end: last?.record === "end" ? last : undefined,
  };
}

/** The records of several files, one for each rank, as those of one: by the time at which they were written. */
export function inOneOrder(files: readonly (readonly Entry[])[]): readonly Entry[] {
  const timed = files.flatMap((entries) => {
    let latest = "";
    return entries.map((entry) => {
      // In one file they are in order already, also where the clock was set back.
      if (entry.finished > latest) latest = entry.finished;
      return { entry, time: latest };
    });
  });
  return timed.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0)).map(({ entry }) => entry);
}
