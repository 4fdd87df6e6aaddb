/** Saving and putting back the state beside the parameters, for theaters that close in any order. */
import { capsules, type SavedCapsule } from "./slots.ts";
import type { Capsule } from "./store.ts";

/** How to put something back. */
export interface Restore {
  /** For messages: two layers may have one name. */
  readonly name: string;
  run(): void;
}

/** Saves the capsules for `owner`, and adds to `restores` how to put each back. */
export function saveCapsules(all: readonly Capsule[], owner: object, restores: Set<Restore>): void {
  for (const { key, name, save } of all) {
    const byName = capsules.get(key) ?? new Map<string, SavedCapsule[]>();
    capsules.set(key, byName);
    const stack = byName.get(name) ?? [];
    byName.set(name, stack);
    stack.push({ owner, state: save() });
    const run = (): void => {
      const at = stack.findIndex((saved) => saved.owner === owner);
      if (at === -1) return;
      const { state } = stack[at]!;
      const above = stack[at + 1];
      if (above === undefined) state.restore();
      else {
        // The theater above saved what it found here; it must put back what we found.
        above.state.discard();
        above.state = state;
      }
      stack.splice(at, 1);
      if (stack.length === 0) byName.delete(name);
    };
    restores.add({ name, run });
  }
}
