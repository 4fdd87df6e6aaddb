/** The page of a report in a real browser. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { render } from "../../src/cli/report/render.ts";
import { digits, header, hostile, hostileResults } from "../cli/fixtures.ts";
import { chromiumRuns } from "./chromium.ts";
import { InspectedPage } from "./devtools.ts";

const deadlineMs = 60_000;

/** Runs in the page: colours as the screen has them, whatever CSS wrote. */
const contrasts = `(() => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const pixel = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (colour) => pixel(colour).slice(0, 3).reduce((sum, byte, i) => {
    const c = byte / 255;
    return sum + [0.2126, 0.7152, 0.0722][i] * (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  }, 0);
  const contrast = (a, b) => {
    const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (light + 0.05) / (dark + 0.05);
  };
  const background = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (pixel(colour)[3] === 255) return colour;
    }
  };
  const found = [];
  for (const element of document.querySelectorAll("h1, h2, p, dt, dd, li, a, summary, figcaption, th, td, footer")) {
    found.push([element.tagName, contrast(getComputedStyle(element).color, background(element))]);
  }
  for (const svg of document.querySelectorAll("svg")) {
    for (const text of svg.querySelectorAll("text")) {
      found.push(["text", contrast(getComputedStyle(text).fill, background(svg))]);
    }
    const cells = svg.querySelectorAll('[aria-label="cell"] rect');
    const texts = svg.querySelectorAll('[aria-label="text"] text');
    if (cells.length === texts.length) cells.forEach((cell, i) => {
      found.push(["cell", contrast(getComputedStyle(cell).fill, getComputedStyle(texts[i]).fill)]);
    });
  }
  return found;
})()`;

/** Runs in the page: each figure with its size, and the texts that stick out of it. */
const figures = `[...document.querySelectorAll("figure")].map((figure) => {
  const svg = figure.querySelector("svg");
  const box = svg.getBoundingClientRect();
  const cut = [...svg.querySelectorAll("text")].filter((text) => {
    const { left, right, top, bottom } = text.getBoundingClientRect();
    return left < box.left - 1 || right > box.right + 1 || top < box.top - 1 || bottom > box.bottom + 1;
  });
  return { width: box.width, height: box.height, cut: cut.map((text) => text.textContent) };
})`;

interface FigureBox {
  readonly width: number;
  readonly height: number;
  readonly cut: readonly string[];
}

describe.skipIf(!chromiumRuns())("the page of a report in Chromium", () => {
  const folder = mkdtempSync(join(tmpdir(), "surgical-theater-report-"));
  let page: InspectedPage;

  beforeAll(async () => {
    page = await InspectedPage.start();
  }, deadlineMs);

  afterAll(async () => {
    await page?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(html: string): Promise<void> {
    const file = join(folder, "report.html");
    writeFileSync(file, html);
    await page.open(pathToFileURL(file).href);
  }

  const show = (colours: "light" | "dark", media = "screen"): Promise<unknown> =>
    page.send("Emulation.setEmulatedMedia", {
      media,
      features: [{ name: "prefers-color-scheme", value: colours }],
    });

  /** What the page asked for, beside itself. */
  const requests = (): readonly unknown[] =>
    page.events.filter(({ method }) => method === "Network.requestWillBeSent").slice(1);

  /** What it wrote to the console, threw, or was refused. */
  const complaints = (): readonly unknown[] =>
    page.events.filter(({ method }) =>
      ["Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"].includes(method),
    );

  it(
    "asks for nothing, complains about nothing, and shows each figure in full",
    async () => {
      await open(render("html", digits()));
      const shown = await page.evaluate<readonly FigureBox[]>(figures);
      expect(requests()).toEqual([]);
      expect(complaints()).toEqual([]);
      expect(shown).toHaveLength(8);
      for (const { width, height, cut } of shown) {
        expect(width).toBeGreaterThan(500);
        expect(height).toBeGreaterThan(60);
        expect(cut).toEqual([]);
      }
    },
    deadlineMs,
  );

  it(
    "would see a request and a script if there were any",
    async () => {
      await open(`<img src="missing.png"><script>document.title = "executed"; console.error("no")</script>`);
      expect(await page.evaluate("document.title")).toBe("executed");
      expect(requests()).toHaveLength(1);
      expect(complaints()).not.toEqual([]);
    },
    deadlineMs,
  );

  it(
    "runs nothing that is in a name, even if no policy forbids it",
    async () => {
      const policy = /<meta\s+http-equiv="Content-Security-Policy"[^>]*>/;
      const html = render("html", hostileResults());
      expect(html).toMatch(policy);
      await open(html.replace(policy, ""));
      expect(await page.evaluate("document.title")).toBe(`${hostile[0]}: report of a sweep`);
      expect(await page.evaluate("document.querySelectorAll('script, img, iframe').length")).toBe(0);
      const attributes = `[...document.querySelectorAll("*")].flatMap((element) => element.getAttributeNames())`;
      const names = await page.evaluate<readonly string[]>(attributes);
      expect(names.filter((name) => name.startsWith("on"))).toEqual([]);
      expect(requests()).toEqual([]);
      expect(complaints()).toEqual([]);
    },
    deadlineMs,
  );

  it(
    "keeps labels of odd names within their figures",
    async () => {
      await open(render("html", hostileResults()));
      const shown = await page.evaluate<readonly FigureBox[]>(figures);
      expect(shown.flatMap(({ cut }) => cut)).toEqual([]);
    },
    deadlineMs,
  );

  it.each(["light", "dark"] as const)(
    "is readable in %s: every text has a contrast of 4.5 or more",
    async (colours) => {
      await show(colours);
      const results = digits();
      // Once most changes are for the worse, once for the better.
      for (const mode of ["max", "min"] as const) {
        await open(
          render("html", { ...results, header: { ...header, objective: { metric: "accuracy", mode } } }),
        );
        const background = await page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
        expect(background === "rgb(255, 255, 255)").toBe(colours === "light");
        const found = await page.evaluate<readonly (readonly [string, number])[]>(contrasts);
        expect(found.length).toBeGreaterThan(500);
        expect(found.filter(([element]) => element === "cell")).toHaveLength(30);
        expect(found.filter(([, contrast]) => contrast < 4.5)).toEqual([]);
      }
    },
    deadlineMs,
  );

  it(
    "prints in dark on white paper, on several pages",
    async () => {
      await show("dark", "print");
      await open(render("html", digits()));
      expect(await page.evaluate("getComputedStyle(document.body).backgroundColor")).toBe(
        "rgb(255, 255, 255)",
      );
      await show("dark", "");
      const { data } = await page.send<{ readonly data: string }>("Page.printToPDF", {
        printBackground: true,
        preferCSSPageSize: true,
      });
      const pdf = Buffer.from(data, "base64").toString("latin1");
      expect(pdf.slice(0, 5)).toBe("%PDF-");
      expect(pdf.match(/\/Type \/Page\b/g)!.length).toBeGreaterThan(4);
    },
    deadlineMs,
  );
});
