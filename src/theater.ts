/**
 * Opening and closing: the one state machine behind every entry point, store and technique.
 *
 * Opening changes all targets or none. Closing runs to the end whatever fails, needs no user code, forgets a
 * parameter only when it is back, and so can be called again.
 */
import { type Restore, saveCapsules } from "./capsules.ts";
import { type Operation, wait } from "./drive.ts";
import { listed, messageOf, RestoreError, TheaterStateError } from "./errors.ts";
import { isStatistic } from "./layers.ts";
import type { Request } from "./options.ts";
import { type Plan, prepare } from "./plan.ts";
import type { Proof, Receipt } from "./receipt.ts";
import { assertIdle, type Entry, reshow, slotFor, slots } from "./slots.ts";
import { isComputed, type Layer, type Model, type Site } from "./store.ts";
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

/** Puts this theater on a slot of the site, as a watcher for now. `hold`: so that a write can be undone from here on. */
function join<T>(open: Open<T>, site: Site<T>, layer: Layer<T> | undefined, hold: boolean): void {
  const { onWrite } = open.request;
  const found = isWrittenStatistic(site, layer);
  const slot = slotFor(site, { technique: open.plan.technique, onWrite, mayBeWritten: found });
  if (found) {
    const state = slot.stage.saveWritten!();
    // Once the outer theater has closed there is nothing to leave as it was found.
    const run = (): void => (slots.get(site.key) === slot ? state.restore() : state.discard());
    open.restores.add({ name: site.parameter.name, run });
    return;
  }
  const isNew = slot.entries.length === 0;
  slot.entries = [...slot.entries, { owner: open.owner, layer: undefined, onWrite }];
  open.pending.add(site);
  if (isNew && hold) slot.stage.hold(layer !== undefined);
}

/** Makes the layer of this theater visible on a site that it has joined. */
function* display<T>(open: Open<T>, { site, layer }: Target<T>): Operation<void> {
  const slot = slots.get(site.key)!;
  const entries = slot.entries.map((entry): Entry =>
    entry.owner === open.owner ? { ...entry, layer } : entry,
  );
  yield* reshow(slot, entries, site.parameter.name);
}

/** @throws TheaterStateError if a custom function wrote to a parameter that this theater has joined */
function refuseWrites<T>(open: Open<T>): void {
  const written = [...open.pending]
    .filter((site) => slots.get(site.key)!.stage.written() !== "no")
    .map(({ parameter }) => parameter.name);
  if (written.length === 0) return;
  throw new TheaterStateError(
    "written_inside",
    `Written while the theater opened: ${listed(written)}. The original bytes are back. ` +
      "A custom function must return its result, and write to no parameter.",
    written,
  );
}

/** Opens a theater: all targets show their layers, or everything is as before and the failure is thrown. */
export function* open<T>(model: Model<T>, request: Request): Operation<Open<T>> {
  const begin = performance.now();
  request.signal?.throwIfAborted();
  const { plan, targets } = yield* prepare(model, request, true);
  const layerOf = new Map(targets.map(({ site, layer }) => [site, layer]));
  const watchesAll = model.watchesAll || targets.length === 0 || request.verify === "fingerprint";
  const sites = watchesAll ? model.sites : targets.map(({ site }) => site);
  const opened: Open<T> = {
    owner: {},
    model,
    request,
    plan,
    targets,
    pending: new Set(),
    restores: new Set(),
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
      opened.restores.add({ name: "alsoRestore", run: restore as () => void });
    }
    // User code can write to anything: before it runs, the way back is secured for all.
    const userCode = targets.some(({ layer }) => layer.steps.some(isComputed));
    for (const site of sites) {
      const layer = layerOf.get(site);
      join(opened, site, layer, userCode || layer === undefined);
    }
    for (const target of targets) {
      request.signal?.throwIfAborted();
      yield* display(opened, target);
      if (userCode) refuseWrites(opened);
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
  const mine = slot.entries.find(({ owner }) => owner === open.owner);
  // The slot that this theater was on is gone, and another theater has opened since.
  if (mine === undefined) throw lostInside(name);
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
      open.lost.set(name, new Error(error.message));
      open.pending.delete(site);
      // Nobody can put it back: another theater on it must not try, and nothing must be held for it.
      const slot = slots.get(site.key);
      if (slot?.entries.some(({ owner }) => owner === open.owner) !== true) continue;
      slot.stage.release("keep");
      slots.delete(site.key);
    }
  }
  for (const restore of [...open.restores].reverse()) {
    try {
      restore.run();
      open.restores.delete(restore);
    } catch (error) {
      retriable.set(restore.name, error);
    }
  }
  return retriable;
}

/** Compares fingerprints of what is back with those taken at opening. */
function* verify<T>(open: Open<T>): Operation<void> {
  for (const [site, before] of open.fingerprints) {
    const { name } = site.parameter;
    if (open.pending.has(site) || slots.has(site.key)) continue;
    if (open.lost.has(name) || open.proofs.get(name)?.by === "kept") continue;
    const after = yield* wait(site.fingerprint());
    open.fingerprints.delete(site);
    if (after === before) {
      open.proofs.set(name, { identical: true, by: "fingerprint" });
    } else {
      const message = `the bytes of ${JSON.stringify(name)} differ from those at opening`;
      open.lost.set(name, new Error(message));
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
  // Sites are left in reverse; people read in the model's order.
  const written = [...open.written].reverse();
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
