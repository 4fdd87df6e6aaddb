/** A report as one page, which needs no network and no script, and allows none. */
import type { Results } from "../../sweep/records.ts";
import { summarize, type Summary } from "../../sweep/summary.ts";
import {
  aboutIntervals,
  describeSweep,
  ending,
  evidence,
  fingerprintOf,
  proofs,
  times,
  warnings,
} from "./facts.ts";
import { draw, type Figure } from "./figure.ts";
import { heldFigure } from "./held.ts";
import { type Content, html, lined, Markup, named } from "./markup.ts";
import { count, formatInstant } from "./numbers.ts";
import { type Group, groupsOf, isDrawable } from "./points.ts";
import { arranged, figureOf, headingOf } from "./sections.ts";
import { style } from "./style.ts";
import { tiles } from "./tiles.ts";
import { failuresTable, heldTable, pointsTable, type Table, trialsTable } from "./tables.ts";

interface Section {
  /** Whether it needs the long side of a sheet of paper. */
  readonly isWide?: boolean;
  readonly title: string;
  readonly body: Content;
}

function tableMarkup({ heads, rows }: Table, caption: string): Markup {
  const classOf = (at: number): string => (heads[at]!.isNumeric ? "number" : "text");
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}">
    <table>
      <thead>
        <tr>
          ${heads.map(({ text }, at) => html`<th scope="col" class="${classOf(at)}">${named(text)}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell, at) => html`<td class="${classOf(at)}"><bdi>${lined(cell)}</bdi></td>`)}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`;
}

/** Pixels, of {@link draw}: what fits on a page. */
const tallFrom = 900;

function figureMarkup(figure: Figure, id: string, more?: Content): Markup {
  const ids = { title: id, note: `${id}-note` };
  const size = figure.options.height! > tallFrom ? "tall" : "";
  return html`<figure class="${size}" aria-labelledby="${ids.title}">
    ${draw(figure, ids)}
    <figcaption id="${ids.note}">${figure.note}${more}</figcaption>
  </figure>`;
}

function folded(table: Table, title: string): Markup {
  return html`<details>
    <summary>The same as a table</summary>
    ${tableMarkup(table, title)}
  </details>`;
}

function groupBody(group: Group, summary: Summary, id: string): Content {
  const { title, question } = headingOf(group.kind);
  const figure = figureOf(group);
  const table = pointsTable(group.points, summary);
  const missing = group.points.filter((point) => !isDrawable(point, group)).length;
  const note =
    missing > 0
      ? ` Not drawn, because their means are not finite numbers: ${count(missing, "point")}, in the table.`
      : undefined;
  return [
    question === undefined ? undefined : html`<p class="quiet">${question}</p>`,
    figure === undefined
      ? [html`<p>No point has a finite mean, so there is no figure.</p>`, tableMarkup(table, title)]
      : [figureMarkup(figure, id, note), folded(table, title)],
  ];
}

function receiptBody(summary: Summary): Content {
  const { header, finished } = summary;
  const facts: readonly (readonly [string, Content])[] = [
    ["Trials", evidence(summary)],
    ["End", ending(summary)],
    ["Proofs", proofs(summary)],
    ["Model", html`<code>${fingerprintOf(summary)}</code> (digest of its parameters' fingerprints)`],
    ["Started", formatInstant(header.started)],
    ["Finished", finished === undefined ? "not finished" : formatInstant(finished)],
    ["Time", times(summary)],
  ];
  return html`<dl class="facts">
    ${facts.map(
      ([term, fact]) =>
        html`<dt>${term}</dt>
          <dd>${fact}</dd>`,
    )}
  </dl>`;
}

function sectionsOf(results: Results, summary: Summary): readonly Section[] {
  const groups = groupsOf(summary).map(arranged);
  const { failures, held } = summary;
  const kinds = groups.map((group, i) => ({
    title: headingOf(group.kind).title,
    body: groupBody(group, summary, `section-${i + 1}`),
  }));
  const heldId = `section-${groups.length + 1}`;
  return [
    ...kinds,
    ...(held.length === 0
      ? []
      : [
          {
            title: "Memory held",
            body: [figureMarkup(heldFigure(summary), heldId), folded(heldTable(summary), "Memory held")],
          },
        ]),
    ...(failures.length === 0
      ? []
      : [
          {
            title: "Failures",
            body: [
              html`<p class="quiet">
                Trials that threw. The model was put back; resuming tries them again.
              </p>`,
              tableMarkup(failuresTable(failures), "Failures"),
            ],
          },
        ]),
    { title: "Receipt", body: receiptBody(summary) },
    ...(results.trials.length === 0
      ? []
      : [
          {
            title: "All trials",
            isWide: true,
            body: tableMarkup(trialsTable(results.trials, summary), "All trials"),
          },
        ]),
  ];
}

/** The page of a sweep, finished or not. */
export function renderHtml(results: Results): string {
  const summary = summarize(results);
  const { name } = summary.header;
  const found = warnings(summary);
  const sections = sectionsOf(results, summary);
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
        />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${name}: report of a sweep</title>
        <style>
          ${new Markup(style)}
        </style>
      </head>
      <body>
        <header>
          <h1>${named(name)}</h1>
          <p class="quiet">${describeSweep(summary)}</p>
        </header>
        <main>
          ${
            found.length === 0
              ? undefined
              : html`<ul class="warnings">
                  ${found.map((each) => html`<li>${each}</li>`)}
                </ul>`
          }
          ${tiles(summary)}
          <p>${evidence(summary)} ${ending(summary)}</p>
          <nav aria-label="Sections">
            <ul>
              ${sections.map(({ title }, i) => html`<li><a href="#section-${i + 1}">${named(title)}</a></li>`)}
            </ul>
          </nav>
          ${sections.map(
            ({ title, body, isWide = false }, i) =>
              html`<section class="${isWide ? "wide" : ""}">
                <h2 id="section-${i + 1}">${named(title)}</h2>
                ${body}
              </section> `,
          )}
        </main>
        <footer>${aboutIntervals}</footer>
      </body>
    </html>`;
  return `${page.text}\n`;
}
