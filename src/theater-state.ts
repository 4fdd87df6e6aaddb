/** What there is to know about one open theater. */
import type { Restore } from "./capsules.ts";
import type { Request } from "./options.ts";
import type { Plan } from "./plan.ts";
import type { Proof, Receipt } from "./receipt.ts";
import type { Model, Site } from "./store.ts";
import type { Target } from "./targets.ts";

/** One open theater. */
export interface Open<T> {
  /** Identifies it in slots, which must not keep the theater itself alive. */
  readonly owner: object;
  readonly model: Model<T>;
  readonly request: Request;
  readonly plan: Plan;
  readonly targets: readonly Target<T>[];
  /** Sites this theater has an entry on, in opening order; closing takes them out one by one. */
  readonly pending: Set<Site<T>>;
  /** What else closing has to put back, newest last. */
  readonly restores: Set<Restore>;
  readonly fingerprints: Map<Site<T>, string>;
  readonly proofs: Map<string, Proof>;
  readonly written: Set<string>;
  /** What can never come back, reported at every closing. */
  readonly lost: Map<string, Error>;
  /** Whether closing has begun: from then on not every target is shown. */
  closing: boolean;
  /** Whether it is going on right now. */
  putting: boolean;
  openMs: number;
  /** As planned, or as measured where the plan is an estimate. */
  heldBytes: number;
  /** Set once everything is back. */
  receipt: Receipt | undefined;
}
