/** Drawn by Observable Plot, without a browser: a figure is an SVG that needs no script. */
import { plot, type PlotOptions } from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { type Content, Markup } from "./markup.ts";
import { labelsFor, unitsIn } from "./text.ts";

/** Of every figure, in pixels of its view box; pages show it as wide as they are. */
export const width = 760;

/** What is drawn, and what has to be said about it. */
export interface Figure {
  readonly options: PlotOptions;
  readonly note: Content;
}

/** Colours and roles; pages give them values, which differ in light and dark. */
export const colours = {
  ink: "var(--ink)",
  quiet: "var(--quiet)",
  line: "var(--line)",
  band: "var(--band)",
  paper: "var(--paper)",
  accent: "var(--accent)",
  better: "var(--better)",
  worse: "var(--worse)",
} as const;

const longestLabel = 38;

/** Names as labels beside rows. */
export const rowLabels = (names: readonly string[]): readonly string[] => labelsFor(names, longestLabel);

/** Room for labels of 12 pixels beside rows. */
export function marginFor(labels: readonly string[]): number {
  return 18 + 7 * Math.min(longestLabel, Math.max(6, ...labels.map(unitsIn)));
}

/**
 * The SVG, named and described by elements of the page: names from outside stay out of its attributes, of which
 * linkedom escapes quotation marks only.
 */
export function draw({ options }: Figure, ids: { readonly title: string; readonly note: string }): Markup {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const svg = plot({ ...options, document, width });
  // Its rules set a background for both colour schemes.
  svg.querySelector("style")?.remove();
  svg.removeAttribute("class");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-labelledby", ids.title);
  svg.setAttribute("aria-describedby", ids.note);
  return new Markup(svg.outerHTML);
}
