/** What a module imports, by its text: enough for our own sources, where no import is computed. */
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";

/** A source text without comments, whose examples contain imports of their own. */
export function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "$1");
}

/** Statements at the start of a line, so that a message which mentions an import is not one; and `import("…")`. */
const importForms = [
  /^\s*import\s+(?:[^"'`;()]*?\sfrom\s*)?["']([^"'\n]+)["']/gm,
  /^\s*export\s+(?:type\s+)?(?:\*[^"'`;()]*?|\{[^}"'`]*\})\s*from\s*["']([^"'\n]+)["']/gm,
  /\bimport\(\s*["']([^"'\n]+)["']\s*\)/g,
];

/** Every module specifier in a source text: imports, re-exports, `import("…")` of code and of types. */
export function specifiers(text: string): string[] {
  const code = withoutComments(text);
  return importForms.flatMap((form) => [...code.matchAll(form)].map((match) => match[1] ?? ""));
}

/** Paths of all files under `folder` with this extension, relative to it, with `/`. */
export function filesUnder(folder: string, extension: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(extension) && statSync(join(folder, name)).isFile())
    .map((name) => name.split(sep).join("/"))
    .sort();
}

export interface Module {
  /** Path relative to the scanned folder, with `/`. */
  readonly path: string;
  readonly lines: number;
  /** Modules of the same folder that it imports. */
  readonly internal: readonly string[];
  /** Specifiers that leave the folder: other packages and Node's own modules. */
  readonly external: readonly string[];
}

export function readModule(folder: string, path: string): Module {
  const text = readFileSync(join(folder, path), "utf8");
  const all = specifiers(text);
  const internal = all
    .filter((name) => name.startsWith("."))
    .map((name) =>
      relative(folder, join(folder, dirname(path), name))
        .split(sep)
        .join("/"),
    );
  const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  return { path, lines, internal, external: all.filter((name) => !name.startsWith(".")) };
}

/** `entry` and every module of the folder that it reaches. */
export function reachable(folder: string, entry: string): Module[] {
  const found = new Map<string, Module>();
  const queue = [entry];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (found.has(path)) continue;
    const module = readModule(folder, path);
    found.set(path, module);
    queue.push(...module.internal);
  }
  return [...found.values()];
}

/** The first import cycle, as the paths along it, or nothing. Type-only imports count. */
export function findCycle(modules: readonly Module[]): readonly string[] | undefined {
  const byPath = new Map(modules.map((module) => [module.path, module]));
  const done = new Set<string>();
  function visit(path: string, trail: readonly string[]): readonly string[] | undefined {
    const start = trail.indexOf(path);
    if (start >= 0) return [...trail.slice(start), path];
    if (done.has(path)) return undefined;
    for (const next of byPath.get(path)?.internal ?? []) {
      const cycle = visit(next, [...trail, path]);
      if (cycle !== undefined) return cycle;
    }
    done.add(path);
    return undefined;
  }
  for (const { path } of modules) {
    const cycle = visit(path, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}
