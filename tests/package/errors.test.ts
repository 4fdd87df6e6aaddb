import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { filesUnder, withoutComments } from "./imports.ts";
import { root } from "./run.ts";

/** Where a code is written: `code: "a" | "b"`, `code = "a"`, `type EditErrorCode = …`, `const editCodes = […]`. */
const declarations = [
  /\bcode\s*[:=]([^;,){}\n]*(?:\n\s*\|[^;,){}\n]*)*)/g,
  /\b(?:type|const)\s+\w*codes?\b[^=;]*=([^;]*);/gi,
];

/** Every error code that src/errors.ts names. */
function errorCodes(): string[] {
  const file = join(root, "src", "errors.ts");
  const source = existsSync(file) ? withoutComments(readFileSync(file, "utf8")) : "";
  const text = source.replaceAll('["code"]', ""); // the type of another class's code, written as a lookup
  const found = declarations.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1] ?? ""));
  const codes = found.flatMap((part) => [...part.matchAll(/["']([a-z][a-z0-9_-]*)["']/g)]);
  return [...new Set(codes.map((match) => match[1] ?? ""))].sort();
}

describe("docs/errors", () => {
  it("is checked against codes that were found", () => {
    expect(errorCodes(), "no error code found in src/errors.ts").not.toEqual([]);
  });

  it("has one page for every code in src/errors.ts, and no other", () => {
    const pages = filesUnder(join(root, "docs", "errors"), ".md")
      .map((name) => name.replace(/\.md$/, ""))
      .filter((name) => name !== "README" && name !== "index");
    expect(pages).toEqual(errorCodes());
  });
});
