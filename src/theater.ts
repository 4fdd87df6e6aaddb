/**
 * Opening, the first half of the state machine behind every entry point, store and technique: it changes all targets
 * or none.
 */
import { saveCapsules } from "./capsules.ts";
import { putBack, restoreError } from "./closing.ts";
import { type Operation, wait } from "./drive.ts";
import { listed, TheaterStateError, UnsupportedError } from "./errors.ts";
import { isStatistic } from "./layers.ts";
import type { Request } from "./options.ts";
import { prepare, type Prepared } from "./plan.ts";
import { describeRequest } from "./describe-request.ts";
import { formatBytes } from "./receipt.ts";
import { type Entry, reshow, slotFor, slots } from "./slots.ts";
import { isComputed } from "./step.ts";
import type { Layer, Model, Site } from "./store.ts";
import type { Target } from "./targets.ts";
import type { Open } from "./theater-state.ts";

/**
 * A statistic that was written inside an outer theater, by a forward pass in training mode, is left as it was found:
 * the outer one puts its original back. Whether that has to be seen to.
 */
function isWrittenStatistic<T>({ key, parameter }: Site<T>, layer: Layer<T> | undefined): boolean {
  if (layer !== undefined || !isStatistic(parameter)) return false;
  const stage = slots.get(key)?.stage;
  return stage?.saveWritten !== undefined && stage.written() === "overwritten";
}

/** Puts this theater on a slot of the site, as a watcher for now. With user code, a write can be undone from here on. */
function join<T>(open: Open<T>, site: Site<T>, layer: Layer<T> | undefined, userCode: boolean): void {
  const { onWrite, onSave } = open.request;
  const found = isWrittenStatistic(site, layer);
  const { technique } = open.plan;
  const modifies = layer !== undefined;
  const slot = slotFor(site, { technique, modifies, onWrite, userCode, mayBeWritten: found });
  if (found) {
    const state = slot.stage.saveWritten!();
    // Once the outer theater has closed there is nothing to leave as it was found.
    const run = (): void => (slots.get(site.key) === slot ? state.restore() : state.discard());
    open.restores.add({ name: site.parameter.name, run });
    return;
  }
  const isNew = slot.entries.length === 0;
  const entry: Entry = { owner: open.owner, modifies, layer: undefined, onWrite, onSave };
  slot.entries = [...slot.entries, entry];
  open.pending.add(site);
  if (isNew && (userCode || !modifies)) slot.stage.hold(modifies);
}

/** Makes the layer of this theater visible on a site that it has joined. */
function* display<T>(open: Open<T>, { site, layer }: Target<T>): Operation<void> {
  const slot = slots.get(site.key)!;
  const entries = slot.entries.map((entry): Entry =>
    entry.owner === open.owner ? { ...entry, layer } : entry,
  );
  yield* reshow(slot, entries, site.parameter);
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

/** What is held for a parameter, by whatever theaters. */
function heldOn<T>({ key }: Site<T>): number {
  return slots.get(key)?.stage.bytes().held ?? 0;
}

/** @throws UnsupportedError `over_budget` if more is held than the plan took it to be, and than may be */
function refuseExcess<T>({ plan, request }: Open<T>, held: number): void {
  if (held + plan.transientBytes + plan.engineBytes <= request.budget) return;
  throw new UnsupportedError(
    "over_budget",
    `${plan.technique} was planned to hold ${formatBytes(plan.heldBytes)}, an estimate, and needs more than the budget of ` +
      `${formatBytes(request.budget)}. The original bytes are back. Raise budget ` +
      `(${formatBytes(plan.mostHeldBytes + plan.transientBytes + plan.engineBytes)} is enough in any case), or select fewer layers.`,
  );
}

/**
 * Selection, plan and facts. Where other processes have parts of the model, nothing is read before all have made the same
 * plan.
 */
function* begin<T>(model: Model<T>, request: Request): Operation<Prepared<T>> {
  request.signal?.throwIfAborted();
  if (model.agreement !== undefined) {
    const { plan } = yield* prepare(model, request, "never");
    yield* model.agreement.same("the plan", describeRequest(request, plan));
  }
  return yield* prepare(model, request, true);
}

/** Opens a theater: all targets show their layers, or everything is as before and the failure is thrown. */
export function* open<T>(model: Model<T>, request: Request): Operation<Open<T>> {
  const { agreement } = model;
  if (agreement === undefined) return yield* openHere(model, request);
  try {
    return yield* openHere(model, request);
  } catch (error) {
    yield* agreement.settle(error);
    throw error;
  }
}

function* openHere<T>(model: Model<T>, request: Request): Operation<Open<T>> {
  const started = performance.now();
  const { plan, targets } = yield* begin(model, request);
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
    heldBytes: plan.heldBytes,
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
    const before = new Map(targets.map(({ site }) => [site, heldOn(site)]));
    let held = 0;
    // User code can write to anything: before it runs, the way back is secured for all.
    const userCode = targets.some(({ layer }) => layer.steps.some(isComputed));
    for (const site of sites) {
      const layer = layerOf.get(site);
      join(opened, site, layer, userCode);
    }
    for (const target of targets) {
      request.signal?.throwIfAborted();
      yield* display(opened, target);
      if (userCode) refuseWrites(opened);
      held += heldOn(target.site) - before.get(target.site)!;
      if (model.estimates) refuseExcess(opened, held);
    }
    request.signal?.throwIfAborted();
    yield* model.agreement?.settle() ?? [];
    if (userCode) for (const { site } of targets) slots.get(site.key)!.stage.settle?.();
    if (model.estimates) opened.heldBytes = held;
  } catch (error) {
    yield* rollBack(opened, error);
    throw error;
  }
  opened.openMs = performance.now() - started;
  return opened;
}

function* rollBack<T>(opened: Open<T>, cause: unknown): Operation<void> {
  // Nobody holds this theater yet to close it again: what fails once is tried a second time here.
  const userCode = opened.targets.some(({ layer }) => layer.steps.some(isComputed));
  const joined = opened.targets.filter(({ site }) => userCode && opened.pending.has(site));
  let retriable = yield* putBack(opened);
  if (retriable.size > 0) retriable = yield* putBack(opened);
  for (const { site } of joined) if (!opened.pending.has(site)) slots.get(site.key)?.stage.settle?.();
  if (retriable.size + opened.lost.size > 0) throw restoreError(retriable, opened, cause);
}
