/** A page in Chromium as its developer tools see it: what it asks for, what it complains about, how it looks. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

type Parameters = Readonly<Record<string, unknown>>;

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Parameters;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

/** An event of the protocol. */
export interface PageEvent {
  readonly method: string;
  readonly params: Parameters;
}

/** One page of a browser of its own, over the pipes of the DevTools protocol. */
export class InspectedPage {
  /** All events so far. */
  readonly events: PageEvent[] = [];
  readonly #process: ChildProcess;
  readonly #profile = mkdtempSync(join(tmpdir(), "surgical-theater-devtools-"));
  readonly #waiting = new Map<number, Waiting>();
  readonly #gone: Promise<void>;
  #session: string | undefined;
  #sent = 0;
  #received = "";

  private constructor() {
    const flags = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run"];
    const pipes = ["--remote-debugging-pipe", `--user-data-dir=${this.#profile}`];
    this.#process = spawn(process.env["CHROMIUM"] ?? "chromium", [...flags, ...pipes], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
      // A group of its own, so that all its processes can be ended together.
      detached: true,
    });
    (this.#process.stdio[4] as Readable).setEncoding("utf8").on("data", (text: string) => this.#take(text));
    this.#gone = new Promise((resolve) => {
      this.#process.once("exit", () => resolve()).once("error", () => resolve());
    });
    void this.#gone.then(() => this.#fail("Chromium ended."));
    process.once("exit", this.#kill);
  }

  /** @throws Error if Chromium does not start */
  static async start(): Promise<InspectedPage> {
    const page = new InspectedPage();
    const { targetId } = await page.send<{ targetId: string }>("Target.createTarget", { url: "about:blank" });
    const attached = await page.send<{ sessionId: string }>("Target.attachToTarget", {
      targetId,
      flatten: true,
    });
    page.#session = attached.sessionId;
    for (const domain of ["Page", "Runtime", "Network", "Log"]) await page.send(`${domain}.enable`);
    return page;
  }

  /** Calls a method of the protocol. @throws Error with its message if it fails */
  send<R>(method: string, params: Parameters = {}): Promise<R> {
    const id = ++this.#sent;
    const session = this.#session === undefined ? {} : { sessionId: this.#session };
    return new Promise<R>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      const message = JSON.stringify({ id, method, params, ...session });
      (this.#process.stdio[3] as Writable).write(`${message}\0`);
    });
  }

  /** Opens a page; what the one before did is forgotten. */
  async open(url: string): Promise<void> {
    this.events.length = 0;
    await this.send("Page.navigate", { url });
    await this.evaluate(
      "new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', done))",
    );
  }

  /** What a script in the page would see. @throws Error if it throws */
  async evaluate<R>(expression: string): Promise<R> {
    const { result, exceptionDetails } = await this.send<{
      readonly result: { readonly value: R };
      readonly exceptionDetails?: { readonly exception?: { readonly description?: string } };
    }>("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails !== undefined) {
      throw new Error(`The page threw: ${exceptionDetails.exception?.description}`);
    }
    return result.value;
  }

  /** Ends the browser, and removes its profile. */
  async close(): Promise<void> {
    process.off("exit", this.#kill);
    this.#kill();
    await this.#gone;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  #take(text: string): void {
    const messages = (this.#received + text).split("\0");
    this.#received = messages.pop()!;
    for (const each of messages) {
      const { id, method, params = {}, result, error } = JSON.parse(each) as Message;
      if (method !== undefined) this.events.push({ method, params });
      if (id === undefined) continue;
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result as never);
      else waiting?.reject(new Error(error.message));
    }
  }

  #fail(message: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(message));
    this.#waiting.clear();
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
