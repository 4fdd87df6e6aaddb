/** Folders and processes outside the repository, where the package is what a user would get. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

/** The repository. */
export const root: string = fileURLToPath(new URL("../..", import.meta.url));

/** A tool that the repository's devDependencies bring. */
export function tool(name: string): string {
  return join(root, "node_modules", ".bin", name);
}

/**
 * Run a program and give back what it printed.
 * @throws Error with the whole output if it does not end with 0
 */
export function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, [...args], { cwd, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const output = stdout + stderr;
      if (error === null) resolve(output);
      else reject(new Error(`${program} ${args.join(" ")} failed in ${cwd}:\n${output}`, { cause: error }));
    });
  });
}

/** An empty ESM project in a folder of its own; outside the repository, so that it finds none of our modules. */
export async function freshFolder(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `surgical-theater-${name}-`));
  await writeFile(join(folder, "package.json"), `{ "name": "${name}", "private": true, "type": "module" }\n`);
  return folder;
}

export function install(folder: string, packages: readonly string[]): Promise<string> {
  return run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", ...packages], folder);
}

export function remove(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true });
}
