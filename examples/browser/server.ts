/** Bundles the page and serves it, to this machine alone, and takes in what the page reports. */
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { json } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Report } from "./results.ts";

/** A page that is being served. */
export interface Served {
  readonly url: string;
  close(): Promise<void>;
}

const here = fileURLToPath(new URL(".", import.meta.url));
const wasm = dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm"));

const files: Readonly<Record<string, { readonly path: string; readonly type: string }>> = {
  "/": { path: join(here, "index.html"), type: "text/html; charset=utf-8" },
  "/digits.csv.gz": { path: join(here, "../../data/digits.csv.gz"), type: "application/gzip" },
  ...Object.fromEntries(
    ["tfjs-backend-wasm", "tfjs-backend-wasm-simd", "tfjs-backend-wasm-threaded-simd"].map((name) => [
      `/${name}.wasm`,
      { path: join(wasm, `${name}.wasm`), type: "application/wasm" },
    ]),
  ),
};

/** The page's script and all that it imports. */
async function bundle(): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [join(here, "main.ts")],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    logLevel: "warning",
  });
  return outputFiles[0]!.contents;
}

/**
 * Serves the page on 127.0.0.1, which browsers trust as they trust https: elsewhere there is no WebGPU.
 *
 * @param onReport - called with what the page sends when it is done, or has failed
 * @param port - by default any that is free
 */
export async function servePage(onReport: (report: Report) => void, port = 0): Promise<Served> {
  const script = await bundle();
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? "/", "http://127.0.0.1");
    const file = files[pathname];
    if (request.method === "POST" && pathname === "/results") {
      onReport((await json(request)) as Report);
      response.writeHead(204).end();
    } else if (pathname === "/main.js") {
      response.writeHead(200, { "content-type": "text/javascript; charset=utf-8" }).end(script);
    } else if (file !== undefined) {
      const content = await readFile(file.path);
      response.writeHead(200, { "content-type": file.type }).end(content);
    } else {
      response.writeHead(404).end();
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
