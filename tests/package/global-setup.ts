/**
 * Pack once for all package tests. It happens in a copy: `npm pack` builds through `prepack`, and the `dist` of the
 * repository may be in use.
 */
import { cp, mkdir, readdir, symlink } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { freshFolder, remove, root, run } from "./run.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Path of the packed package, or why there is none. */
    packed: { readonly tarball: string } | { readonly error: string };
  }
}

const ingredients = [
  "package.json",
  "tsconfig.json",
  "tsconfig.build.json",
  "tsconfig.cli.json",
  "data",
  "docs",
  "src",
  "README.md",
  "LICENSE",
];

async function pack(folder: string): Promise<string> {
  for (const name of ingredients) {
    if (existsSync(join(root, name))) await cp(join(root, name), join(folder, name), { recursive: true });
  }
  await symlink(join(root, "node_modules"), join(folder, "node_modules"), "junction");
  const output = join(folder, "packed");
  await mkdir(output);
  await run("npm", ["pack", "--pack-destination", output], folder);
  const tarball = (await readdir(output)).find((name) => name.endsWith(".tgz"));
  if (tarball === undefined) throw new Error("npm pack wrote no tarball");
  return join(output, tarball);
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await freshFolder("pack");
  try {
    project.provide("packed", { tarball: await pack(folder) });
  } catch (error) {
    project.provide("packed", { error: error instanceof Error ? error.message : String(error) });
  }
  return () => remove(folder);
}
