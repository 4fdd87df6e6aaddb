/** Opens the page of `examples/browser` in Chromium, and waits for what it reports. */
import { EventEmitter, once } from "node:events";
import type { Report, Results } from "../../examples/browser/results.ts";
import { servePage } from "../../examples/browser/server.ts";
import { Chromium } from "./chromium.ts";

/**
 * What the page found.
 * @throws Error if the page fails, the browser ends, or nothing arrives in time
 */
export async function visitPage(deadlineMs: number): Promise<Results> {
  const page = new EventEmitter<{ report: [Report] }>();
  const served = await servePage((report) => page.emit("report", report));
  const chromium = new Chromium(served.url);
  try {
    const reported = once(page, "report", { signal: AbortSignal.timeout(deadlineMs) }) as Promise<[Report]>;
    const [report] = await Promise.race([reported, chromium.ended]);
    if ("error" in report) throw new Error(`The page failed: ${report.error}`);
    return report;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${message}\nChromium said:\n${chromium.said}`, { cause: error });
  } finally {
    await chromium.close();
    await served.close();
  }
}
