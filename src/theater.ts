/**
 * Opening and closing: the one state machine behind every entry point, store and technique.
 *
 * Opening changes all targets or none. Closing runs to the end whatever fails, needs no user code, forgets a
 * parameter only when it is back, and so can be called again.
 */
import { saveCapsules } from "./capsules.ts";
import { type Operation, wait } from "./drive.ts";
import { listed, messageOf, RestoreError, TheaterStateError } from "./errors.ts";
import { isStatistic } from "./layers.ts";
import type { Request } from "./options.ts";
import { type Plan, prepare } from "./plan.ts";
import type { Proof, Receipt } from "./receipt.ts";
import { assertIdle, type Entry, reshow, slotFor, slots } from "./slots.ts";
import type { Layer, Model, Site } from "./store.ts";
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
  readonly restores: Map<string, () => void>;
  readonly fingerprints: Map<Site<T>, string>;
  readonly proofs: Map<string, Proof>;
  readonly written: Set<string>;
  /** What can never come back, reported at every closing. */
  readonly lost: Map<string, RestoreError>;
  /** Whether closing has begun: from then on not every target is shown. */
  closing: boolean;
  /** Whether it is going on right now. */
  putting: boolean;
  openMs: number;
  /** Set once everything is back. */
  receipt: Receipt | undefined;
}

/**
 * A statistic that was written inside an outer theater, by a forward pass in training mode, is left as it was found:
 * the outer one puts its original back. Whether that has to be seen to.
 */
function isWrittenStatistic<T>({ key, parameter }: Site<T>, layer: Layer<T> | undefined): boolean {
  if (layer !== undefined || !isStatistic(parameter)) return false;
  const stage = slots.get(key)?.stage;
  return stage?.saveWritten !== undefined && stage.written() === "overwritten";
}

function* enter<T>(open: Open<T>, site: Site<T>, layer: Layer<T> | undefined): Operation<void> {
  const { name } = site.parameter;
  const { onWrite } = open.request;
  const found = isWrittenStatistic(site, layer);
  const slot = slotFor(site, { technique: open.plan.technique, onWrite, mayBeWritten: found });
  if (found) {
    const state = slot.stage.saveWritten!();
    // Once the outer theater has closed there is nothing to leave as it was found.
    open.restores.set(name, () => (slots.get(site.key) === slot ? state.restore() : state.discard()));
    return;
  }
  const entry: Entry = { owner: open.owner, layer, onWrite };
  try {
    if (layer === undefined && slot.entries.length > 0) slot.entries = [...slot.entries, entry];
    else yield* reshow(slot, [...slot.entries, entry], name);
    open.pending.add(site);
  } catch (error) {
    // Not a single theater shows anything here: what `stage` took must be given back.
    if (slot.entries.length === 0) {
      slots.delete(site.key);
      slot.stage.release("restore");
    }
    throw error;
  }
}

/** Opens a theater: all targets show their layers, or everything is as before and the failure is thrown. */
export function* open<T>(model: Model<T>, request: Request): Operation<Open<T>> {
  const begin = performance.now();
  request.signal?.throwIfAborted();
  const { plan, targets } = yield* prepare(model, request, true);
  const layerOf = new Map(targets.map(({ site, layer }) => [site, layer]));
  const guard = targets.length === 0;
  const sites = model.watchesAll || guard ? model.sites : targets.map(({ site }) => site);
  const opened: Open<T> = {
    owner: {},
    model,
    request,
    plan,
    targets,
    pending: new Set(),
    restores: new Map(),
    fingerprints: new Map(),
    proofs: new Map(),
    written: new Set(),
    lost: new Map(),
    closing: false,
    putting: false,
    openMs: 0,
    receipt: undefined,
  };
  if (request.verify === "fingerprint") {
    for (const site of sites) {
      // Under another theater the bytes of the original are not visible; that one's receipt speaks for them.
      if (!slots.has(site.key)) opened.fingerprints.set(site, yield* wait(site.fingerprint()));
    }
  }
  try {
    request.signal?.throwIfAborted();
    saveCapsules(model.capsules, opened.owner, opened.restores);
    if (request.alsoRestore !== undefined) {
      const restore: unknown = request.alsoRestore();
      if (typeof restore !== "function") {
        throw new TypeError(
          "alsoRestore must return a function that puts back what it saved. The model is unchanged.",
        );
      }
      opened.restores.set("alsoRestore", restore as () => void);
    }
    for (const site of sites) {
      request.signal?.throwIfAborted();
      yield* enter(opened, site, layerOf.get(site));
    }
    request.signal?.throwIfAborted();
  } catch (error) {
    yield* rollBack(opened, error);
    throw error;
  }
  opened.openMs = performance.now() - begin;
  return opened;
}

function* rollBack<T>(opened: Open<T>, cause: unknown): Operation<void> {
  // Nobody holds this theater yet to close it again: what fails once is tried a second time here.
  let retriable = yield* putBack(opened);
  if (retriable.size > 0) retriable = yield* putBack(opened);
  if (retriable.size + opened.lost.size > 0) throw restoreError(retriable, opened, cause);
}

function restoreError<T>(
  retriable: ReadonlyMap<string, unknown>,
  { lost, proofs }: Open<T>,
  cause?: unknown,
): RestoreError {
  const failures = new Map<string, unknown>([...lost, ...retriable]);
  const total = new Set([...failures.keys(), ...proofs.keys()]).size;
  return new RestoreError(
    lost.size > 0 ? "original_lost" : "restore_failed",
    failures,
    `Could not put back ${failures.size} of ${total}: ${listed([...failures.keys()])} ` +
      `(${messageOf([...failures.values()][0])}). Everything else is back, bit for bit.` +
      (lost.size > 0 ? ` Reload ${listed([...lost.keys()])} from a checkpoint.` : "") +
      (retriable.size > 0 ? " Calling close() of the theater again retries." : ""),
    cause === undefined ? undefined : { cause },
  );
}

function lostInside(name: string): RestoreError {
  const message = `${JSON.stringify(name)} was disposed of, detached or overwritten inside a theater`;
  return new RestoreError("original_lost", new Map([[name, undefined]]), message);
}

/** Takes this theater off one site. */
function* leave<T>(open: Open<T>, site: Site<T>): Operation<void> {
  const { name } = site.parameter;
  const slot = slots.get(site.key);
  if (slot === undefined) throw lostInside(name);
  const rest = slot.entries.filter(({ owner }) => owner !== open.owner);
  const mine = slot.entries.find(({ owner }) => owner === open.owner)!;
  const written = slot.stage.written();
  const keep = mine.onWrite === "keep" && written !== "no";
  // Statistics are state beside the weights: a forward pass in training mode writes them, and they come back.
  if (written !== "no" && !(isStatistic(site.parameter) && written === "overwritten")) open.written.add(name);
  if (written === "disposed") {
    slot.stage.release("keep");
    slots.delete(site.key);
    if (!keep) throw lostInside(name);
    open.proofs.set(name, { identical: false, by: "kept" });
  } else if (rest.length > 0) {
    // A watcher that leaves changes nothing that is visible, unless something was written.
    if (mine.layer !== undefined || written !== "no") yield* reshow(slot, rest, name);
    else slot.entries = rest;
    open.proofs.set(name, { identical: true, by: "refolded" });
  } else {
    const by = slot.stage.release(keep ? "keep" : "restore");
    slots.delete(site.key);
    open.proofs.set(name, keep ? { identical: false, by: "kept" } : { identical: true, by });
  }
  open.pending.delete(site);
}

/**
 * Puts everything back that can be. What could not be but may be later stays pending, and is returned by name;
 * what never can be is in `open.lost`.
 */
function* putBack<T>(open: Open<T>): Operation<Map<string, unknown>> {
  const retriable = new Map<string, unknown>();
  for (const site of [...open.pending].reverse()) {
    const { name } = site.parameter;
    try {
      yield* leave(open, site);
    } catch (error) {
      if (!(error instanceof RestoreError)) {
        retriable.set(name, error);
        continue;
      }
      open.lost.set(name, error);
      open.pending.delete(site);
      // Nobody can put it back: another theater on it must not try, and nothing must be held for it.
      slots.get(site.key)?.stage.release("keep");
      slots.delete(site.key);
    }
  }
  for (const [name, restore] of [...open.restores].reverse()) {
    try {
      restore();
      open.restores.delete(name);
    } catch (error) {
      retriable.set(name, error);
    }
  }
  return retriable;
}

/** Compares fingerprints of what is back with those taken at opening. */
function* verify<T>(open: Open<T>): Operation<void> {
  for (const [site, before] of open.fingerprints) {
    const { name } = site.parameter;
    if (open.pending.has(site) || slots.has(site.key)) continue;
    open.fingerprints.delete(site);
    if (open.lost.has(name) || open.proofs.get(name)?.by === "kept") continue;
    if ((yield* wait(site.fingerprint())) === before) {
      open.proofs.set(name, { identical: true, by: "fingerprint" });
    } else {
      const message = `the bytes of ${JSON.stringify(name)} differ from those at opening`;
      open.lost.set(name, new RestoreError("original_lost", new Map([[name, undefined]]), message));
    }
  }
}

/**
 * Closes a theater: the visible values are what they would be had it never been opened.
 *
 * @throws RestoreError naming what did not come back
 * @throws TheaterStateError `written_inside` after restoring, unless `onWrite` or `quiet` says otherwise
 */
export function* close<T>(open: Open<T>, quiet: boolean): Operation<Receipt> {
  const begin = performance.now();
  if (open.putting) {
    throw new TheaterStateError(
      "busy",
      "This theater is being closed already, by the call that runs what alsoRestore returned. That call goes on. " +
        "Do not close a theater from there.",
    );
  }
  // Before anything is put back: half a theater cannot be closed.
  for (const { key, parameter } of open.pending) assertIdle(slots.get(key), parameter.name);
  open.closing = true;
  open.putting = true;
  let retriable: Map<string, unknown>;
  try {
    retriable = yield* putBack(open);
    yield* verify(open);
  } finally {
    open.putting = false;
  }
  if (retriable.size + open.lost.size > 0) throw restoreError(retriable, open);
  const written = [...open.written];
  const receipt: Receipt = {
    identical: [...open.proofs.values()].every(({ identical }) => identical),
    parameters: open.proofs,
    written,
    modifications: open.plan.modifications,
    heldBytes: open.plan.heldBytes,
    targetBytes: open.plan.targetBytes,
    modelBytes: open.plan.modelBytes,
    openMs: open.openMs,
    closeMs: performance.now() - begin,
  };
  open.receipt = receipt;
  open.request.onReceipt?.(receipt);
  if (written.length > 0 && open.request.onWrite === "error" && !quiet) {
    throw new TheaterStateError(
      "written_inside",
      `Written inside the theater: ${listed(written)}. The original bytes are back and what was written is gone. ` +
        'Train outside the theater, or choose onWrite: "discard" or "keep".',
      written,
    );
  }
  return receipt;
}
