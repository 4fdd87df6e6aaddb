/** Chromium without a window, for one page. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { enginesRequired } from "../support/tensorflow.ts";

const program = process.env["CHROMIUM"] ?? "chromium";

/**
 * Whether there is a Chromium here, for `describe.skipIf(!chromiumRuns())`.
 *
 * Where engines are required (`CI=true` or `REQUIRE_ENGINES=1`) a missing one is an error, not a skip.
 */
export function chromiumRuns(): boolean {
  const { status, error } = spawnSync(program, ["--version"], { stdio: "ignore" });
  if (status === 0) return true;
  const why = error?.message ?? `${program} --version ended with ${status}`;
  const message = `There is no Chromium: ${why}. Install Debian's package chromium, or name a program in CHROMIUM.`;
  if (enginesRequired()) throw new Error(message);
  console.warn(`Skipping tests in a browser: ${message}`);
  return false;
}

const flags = [
  "--headless=new",
  // Root has no sandbox, and the page is ours.
  "--no-sandbox",
  // Without it there is no WebGPU on a software adapter.
  "--enable-unsafe-webgpu",
  // Containers often have little shared memory.
  "--disable-dev-shm-usage",
  // Nothing but the page.
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-extensions",
  "--disable-breakpad",
];

/** A running browser. */
export class Chromium {
  /** Rejects when the browser ends. */
  readonly ended: Promise<never>;
  readonly #process: ChildProcess;
  readonly #profile = mkdtempSync(join(tmpdir(), "surgical-theater-chromium-"));
  readonly #gone: Promise<void>;
  #said = "";

  /** @param url - the page to open */
  constructor(url: string) {
    this.#process = spawn(program, [...flags, `--user-data-dir=${this.#profile}`, url], {
      stdio: ["ignore", "ignore", "pipe"],
      // A group of its own, so that all its processes can be ended together.
      detached: true,
    });
    this.#process.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#said = (this.#said + text).slice(-4000);
    });
    this.#gone = new Promise((resolve) => {
      this.#process.once("exit", () => resolve()).once("error", () => resolve());
    });
    this.ended = this.#gone.then(() => {
      throw new Error("Chromium ended by itself.");
    });
    this.ended.catch(() => {}); // Nobody may be listening any more.
    process.once("exit", this.#kill);
  }

  /** The end of what the browser wrote to its standard error. */
  get said(): string {
    return this.#said;
  }

  /** Ends the browser with all its processes, and removes its profile. */
  async close(): Promise<void> {
    process.off("exit", this.#kill);
    this.#kill();
    await this.#gone;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  readonly #kill = (): void => {
    const { pid } = this.#process;
    if (pid === undefined) return; // It never started.
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // Already gone.
    }
  };
}
