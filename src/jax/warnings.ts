/** What is not wrong, but mostly not meant: told once per parameter, on the console. */
import type { JaxSite } from "../stores/jax/model.ts";

const told = new Set<string>();

function warnOnce(message: string): void {
  if (told.has(message)) return;
  told.add(message);
  console.warn(`surgical-theater: ${message}`);
}

/** Somebody else has references: a compiled function that captured the array goes on to use the original. */
export function warnOfHolders(sites: readonly JaxSite[]): void {
  for (const { array, parameter } of sites) {
    const inTree = 1 + parameter.aliases.length;
    if (array.refCount <= inTree) continue;
    warnOnce(
      `somebody has a reference to ${JSON.stringify(parameter.name)} beside the tree. If it is a function that has captured ` +
        "it, it will not see the modification: pass parameters as an argument.",
    );
  }
}

export function warnOfMixedDevices(sites: readonly JaxSite[]): void {
  const byDevice = new Map(sites.map(({ array, parameter }) => [array.device, parameter.name]));
  if (byDevice.size < 2) return;
  const where = [...byDevice].map(([device, name]) => `${JSON.stringify(name)} on ${device}`).join(", ");
  warnOnce(
    `parameters are on several devices (${where}). Each is modified where it lives; functions that use them together fail, ` +
      "or run on one device only.",
  );
}
