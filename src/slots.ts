/**
 * What is open right now, in this thread. One slot per storage, however many theaters and however many loaded
 * copies of this package use it: the registry hangs on `globalThis`.
 */
import type { Operation } from "./drive.ts";
import { LayersError, TheaterStateError } from "./errors.ts";
import { isStatistic } from "./layers.ts";
import type { Layer, Parameter, Rules, SavedState, Site, Stage, Technique } from "./store.ts";

/** One theater's share of a slot. */
export interface Entry {
  /** Identifies the theater without keeping it alive. */
  readonly owner: object;
  /** Whether the theater modifies the parameter, or only watches it. */
  readonly modifies: boolean;
  /** `undefined` as long as nothing is shown for the theater. */
  readonly layer: Layer<unknown> | undefined;
  readonly onWrite: "error" | "discard" | "keep";
  readonly onSave: "error" | "original" | undefined;
}

/** The record of one storage while any theater is open on it. */
export interface Slot {
  stage: Stage<unknown>;
  technique: Technique;
  /** In opening order. */
  entries: readonly Entry[];
  /** User code is running inside `stage.show`. */
  busy: boolean;
}

/** A saved piece of state beside the parameters. */
export interface SavedCapsule {
  readonly owner: object;
  state: SavedState;
}

interface Registry {
  readonly slots: WeakMap<object, Slot>;
  readonly capsules: WeakMap<object, Map<string, SavedCapsule[]>>;
}

const symbol = Symbol.for("surgical-theater/open@1");
const holder = globalThis as { [symbol]?: Registry };
const registry: Registry = (holder[symbol] ??= { slots: new WeakMap(), capsules: new WeakMap() });

/** Open slots by storage key. */
export const slots: WeakMap<object, Slot> = registry.slots;

/** Saved capsules by key and name, oldest first. */
export const capsules: WeakMap<object, Map<string, SavedCapsule[]>> = registry.capsules;

/** The layers that theaters show on a slot, in opening order. */
export function layersOf(entries: readonly Entry[]): readonly Layer<unknown>[] {
  const layers: Layer<unknown>[] = [];
  for (const { layer } of entries) if (layer !== undefined) layers.push(layer);
  return layers;
}

/** The technique in force on a slot: that of the first theater that modifies. A slot that is only watched has none. */
export function techniqueInForce(slot: Slot | undefined): Technique | undefined {
  return slot?.entries.some(({ modifies }) => modifies) === true ? slot.technique : undefined;
}

/** What the theaters that show layers on a parameter allow; the strictest counts. */
function rulesOf(entries: readonly Entry[], parameter: Parameter): Rules {
  const showing = entries.filter(({ layer }) => layer !== undefined);
  return {
    // A forward pass in training mode writes statistics, and they come back without an error.
    refuseWrites: !isStatistic(parameter) && showing.some(({ onWrite }) => onWrite === "error"),
    refuseSaves: showing.some(({ onSave }) => onSave !== "original"),
  };
}

/** @throws TheaterStateError `busy` while user code runs in the middle of what is shown */
export function assertIdle(slot: Slot | undefined, name: string): void {
  if (slot?.stage.isInUse === true) {
    throw new TheaterStateError(
      "busy",
      `${JSON.stringify(name)} is in use by a layer right now, as a theater shows it. Everything is as it was before ` +
        "this call. Open and close theaters outside of layers.",
      [name],
    );
  }
  if (slot?.busy !== true) return;
  throw new TheaterStateError(
    "busy",
    `${JSON.stringify(name)} is being modified right now, by a theater whose custom function is running. Everything ` +
      "is as it was before this call. Open and close theaters outside custom functions.",
    [name],
  );
}

/** Shows the layers of `entries` on the slot, or throws with the slot as it was. */
export function* reshow(slot: Slot, entries: readonly Entry[], parameter: Parameter): Operation<void> {
  assertIdle(slot, parameter.name);
  slot.busy = true;
  try {
    yield slot.stage.show(layersOf(entries), rulesOf(entries, parameter));
    slot.entries = entries;
  } finally {
    slot.busy = false;
  }
}

/** Lets another stage, of the first technique that modifies, watch a slot that nothing modifies yet. */
function convert(slot: Slot, stage: Stage<unknown>, { technique, userCode }: Joining): void {
  // The one that watches holds the way back until the other one does, which may be able to compute it.
  stage.hold(userCode);
  const watching = slot.stage;
  slot.stage = stage;
  slot.technique = technique;
  watching.release("keep");
}

/** How a theater wants to join a slot. */
interface Joining {
  /** For a slot that no other theater modifies; else its own stays in force. */
  readonly technique: Technique;
  /** Whether it is going to show a layer. */
  readonly modifies: boolean;
  readonly onWrite: Entry["onWrite"];
  /** Whether user code runs while it opens. */
  readonly userCode: boolean;
  /** Whether it can do with a parameter that was written since it is shown. */
  readonly mayBeWritten: boolean;
}

/**
 * The slot on which a new theater may put an entry, made if there is none.
 *
 * @throws LayersError, TheaterStateError if it may not; nothing was changed
 */
export function slotFor<T>(site: Site<T>, joining: Joining): Slot {
  const { technique, modifies, onWrite, mayBeWritten } = joining;
  const { name } = site.parameter;
  const there = slots.get(site.key);
  assertIdle(there, name);
  if (there === undefined) {
    for (const key of site.overlaps()) {
      if (slots.has(key)) {
        throw new LayersError(
          "overlapping_storage",
          `${JSON.stringify(name)} shares some of its bytes with a parameter that another theater has open. ` +
            "Everything is as it was before this call. Close that theater first.",
        );
      }
    }
    const slot: Slot = { stage: site.stage(technique), technique, entries: [], busy: false };
    slots.set(site.key, slot);
    return slot;
  }
  if (onWrite === "keep" || there.entries.some((entry) => entry.onWrite === "keep")) {
    throw new TheaterStateError(
      "already_open",
      `onWrite: "keep" needs the only theater on a parameter, and another one is open on ${JSON.stringify(name)}. ` +
        "Everything is as it was before this call. Close that one first, or choose another onWrite.",
      [name],
    );
  }
  if (there.stage.written() !== "no" && !mayBeWritten) {
    throw new TheaterStateError(
      "written_inside",
      `${JSON.stringify(name)} was written inside a theater that is still open. Everything is as it was before ` +
        "this call. Close that theater first: it deals with the write.",
      [name],
    );
  }
  if (modifies && techniqueInForce(there) === undefined && there.technique !== technique) {
    convert(there, site.stage(technique), joining);
  } else if (modifies && joining.userCode) there.stage.secure?.();
  return there;
}
