import { inject } from "vitest";

/**
 * Path of the packed package.
 * @throws Error with what `npm pack` printed if it did not build: only the tests that need the tarball fail then
 */
export function packedTarball(): string {
  const packed = inject("packed");
  if ("error" in packed) throw new Error(packed.error);
  return packed.tarball;
}
