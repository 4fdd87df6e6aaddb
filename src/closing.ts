/**
 * Closing, the second half of the state machine. It runs to the end whatever fails, needs no user code but
 * what `alsoRestore` returned, forgets a parameter only when it is back, and so can be called again.
 */
import { type Operation, wait } from "./drive.ts";
import { listed, messageOf, RestoreError, TheaterStateError } from "./errors.ts";
import { isStatistic } from "./layers.ts";
import type { Receipt } from "./receipt.ts";
import { assertIdle, reshow, slots } from "./slots.ts";
import type { Site } from "./store.ts";
import type { Open } from "./theater-state.ts";

/** Names what did not come back. */
export function restoreError<T>(
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

/** What is thrown about a parameter that another theater, or its owner, has lost. */
export function lostInside(name: string): RestoreError {
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
  const looksItself = rest.length === 0 && mine.onWrite !== "keep" && slot.stage.seesWrites === true;
  const written = looksItself ? "no" : slot.stage.written();
  const keep = mine.onWrite === "keep" && written !== "no";
  // Statistics are state beside the weights: a forward pass in training mode writes them, and they come back.
  // A theater that modifies deals with a write, one that merely watches beside it does not.
  const isOthers = !mine.modifies && rest.some(({ modifies }) => modifies) && written === "overwritten";
  const isState = isStatistic(site.parameter) && written === "overwritten";
  if (written !== "no" && !isState && !isOthers) open.written.add(name);
  if (written === "disposed") {
    slot.stage.release("keep");
    slots.delete(site.key);
    if (!keep) throw lostInside(name);
    open.proofs.set(name, { identical: false, by: "kept" });
  } else if (rest.length > 0) {
    // A watcher that leaves changes nothing that is visible, unless something was written.
    if (mine.layer !== undefined || (written !== "no" && !isOthers)) {
      yield* reshow(slot, rest, site.parameter);
    } else slot.entries = rest;
    // It may be in values that another theater goes on to show, and is then for that one to deal with.
    if (written !== "no" && slot.stage.seesWrites !== undefined && slot.stage.written() !== "no") {
      open.written.delete(name);
    }
    open.proofs.set(name, { identical: true, by: "refolded" });
  } else {
    const by = slot.stage.release(keep ? "keep" : "restore");
    if (looksItself && slot.stage.sawWrite === true) open.written.add(name);
    slots.delete(site.key);
    open.proofs.set(name, keep ? { identical: false, by: "kept" } : { identical: true, by });
  }
  open.pending.delete(site);
}

/**
 * Puts everything back that can be. What could not be but may be later stays pending, and is returned by name;
 * what never can be is in `open.lost`.
 */
export function* putBack<T>(open: Open<T>): Operation<Map<string, unknown>> {
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
    technique: open.plan.technique,
    heldBytes: open.heldBytes,
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
