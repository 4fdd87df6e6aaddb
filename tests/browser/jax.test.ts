/** jax-js in a real browser: the library bundled with it, on wasm. */
import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import { Chromium, chromiumRuns } from "./chromium.ts";
import type { JaxPageResults } from "./jax-page.ts";

const deadlineMs = 120_000;

async function bundle(): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("jax-page.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    logLevel: "warning",
  });
  return outputFiles[0]!.contents;
}

/** What the page reports. @throws Error if it fails, the browser ends, or nothing arrives in time */
async function visit(): Promise<JaxPageResults> {
  const script = await bundle();
  const page = new EventEmitter<{ report: [body: string] }>();
  const reported = once(page, "report", { signal: AbortSignal.timeout(deadlineMs) }) as Promise<[string]>;
  const server = createServer((request, response) => {
    if (request.url === "/report") {
      response.end();
      void text(request).then((body) => page.emit("report", body));
    } else if (request.url === "/page.js") response.setHeader("content-type", "text/javascript").end(script);
    else
      response.setHeader("content-type", "text/html").end('<script type="module" src="/page.js"></script>');
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const chromium = new Chromium(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  try {
    const [body] = await Promise.race([reported, chromium.ended]);
    const found = JSON.parse(body) as JaxPageResults;
    if ("error" in found) throw new Error(`The page failed: ${String(found.error)}`);
    return found;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${message}\nChromium said:\n${chromium.said}`, { cause: error });
  } finally {
    await chromium.close();
    server.close();
  }
}

describe.skipIf(!chromiumRuns())("jax-js in Chromium", () => {
  it(
    "shows other weights in each validation, and leaves every bit and every byte as it was",
    async () => {
      const { validations, changed, leaked } = await visit();
      expect(validations.map(({ name }) => name)).toEqual(["scale", "noise", "disable", "lora"]);
      for (const { plain, modified, awaited, afterwards } of validations) {
        expect(Number.isFinite(plain)).toBe(true);
        expect(modified).not.toBe(plain);
        expect(awaited).toBe(modified);
        expect(afterwards).toBe(plain);
      }
      expect(changed).toBe(0);
      expect(leaked).toEqual([0, 0, 0, 0]);
    },
    deadlineMs + 30_000,
  );
});
