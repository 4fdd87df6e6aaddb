/** The entry point in a page: nothing of Node is imported, and files on disk are refused with a reason. */
import { build } from "esbuild";
import { fileURLToPath } from "node:url";
import { expect, it, vi } from "vitest";
import { byteSource, folderAt, openFile, openSafetensors } from "../../src/formats.ts";
import { reference } from "./files.ts";

it("is bundled for browsers without exceptions", async () => {
  const { outputFiles, warnings } = await build({
    entryPoints: [fileURLToPath(new URL("../../src/formats.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    logLevel: "silent",
  });
  expect(warnings).toEqual([]);
  expect(outputFiles[0]!.text).not.toMatch(/\bimport\b\s*[("'{*]/);
});

it("reads Blobs where there is no file system, and says so of paths", async () => {
  vi.stubGlobal("process", undefined);
  try {
    await expect(openFile("a")).rejects.toMatchObject({ name: "UnsupportedError", code: "engine" });
    await expect((async () => folderAt("a").open("b"))()).rejects.toThrow(/no file system/);
    const file = await openSafetensors(byteSource(new Blob([Uint8Array.from(reference)])));
    expect([...(await file.read("w")).data]).toEqual([1, -0]);
  } finally {
    vi.unstubAllGlobals();
  }
});
