/** Saving and putting back the state beside the parameters, for theaters that close in any order. */
import { capsules } from "./slots.ts";
import type { Capsule } from "./store.ts";

/** Saves the capsules for `owner`. Returns, by name, how to put each back; calling one twice does no harm. */
export function saveCapsules(all: readonly Capsule[], owner: object): Map<string, () => void> {
  const restores = new Map<string, () => void>();
  for (const { key, name, save } of all) {
    const stack = capsules.get(key) ?? [];
    capsules.set(key, stack);
    stack.push({ owner, restore: save() });
    restores.set(name, () => {
      const at = stack.findIndex((saved) => saved.owner === owner);
      if (at === -1) return;
      // The theater above saved what it found here; it must put back what we found.
      if (at + 1 < stack.length) stack[at + 1]!.restore = stack[at]!.restore;
      else stack[at]!.restore();
      stack.splice(at, 1);
      if (stack.length === 0) capsules.delete(key);
    });
  }
  return restores;
}
