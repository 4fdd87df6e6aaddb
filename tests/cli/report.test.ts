/** The texts of a report: what they say, and that nothing in a name changes what they mean. */
import { parseHTML } from "linkedom";
import { describe, expect, it } from "vitest";
import { formats } from "../../src/cli/report/formats.ts";
import { render } from "../../src/cli/report/render.ts";
import { visible } from "../../src/cli/report/text.ts";
import type { Results } from "../../src/sweep/records.ts";
import { summarize } from "../../src/sweep/summary.ts";
import { baseline, digits, header, hostile, hostileResults, layers, trial } from "./fixtures.ts";

const page = (results: Results): Document => parseHTML(render("html", results)).document;

const textOf = (element: Element | null): string => element!.textContent.replaceAll(/\s+/g, " ").trim();

const titles = (document: Document): readonly string[] => [...document.querySelectorAll("h2")].map(textOf);

/** The section under a heading. */
function section(document: Document, title: string): Element {
  const heading = [...document.querySelectorAll("h2")].find((each) => textOf(each) === title);
  return heading!.parentElement!;
}

const nothing: Results = { header, baselines: [], trials: [], failures: [], end: undefined };

/** Results that real sweeps have in extreme cases, and damaged files. */
const odd: Readonly<Record<string, Results>> = {
  "of a sweep that has just begun": nothing,
  "without a finished trial": { ...digits(), trials: [] },
  "of one trial, evaluated once": {
    ...nothing,
    baselines: [{ ...baseline(), metrics: { accuracy: [0.9] } }],
    trials: [trial("only", "noise", { std: 0.1, seed: 1 }, { accuracy: [0.8] })],
  },
  "that are not finite": {
    ...nothing,
    baselines: [{ ...baseline(), metrics: { accuracy: [NaN, Infinity] } }],
    trials: [NaN, Infinity, -Infinity, 1e300, 1e-300, 0].map((value, std) =>
      trial(`${value}`, "noise", { std }, { accuracy: [value, 0.5] }),
    ),
  },
  "that are all the same": {
    ...nothing,
    baselines: [{ ...baseline(), metrics: { accuracy: [0.5, 0.5] } }],
    trials: [1, 2, 3, 4].map((i) =>
      trial(`${i}`, "layer-factor", { layer: `${i % 2}`, factor: i >> 1 }, { accuracy: [0.5, 0.5] }),
    ),
  },
  "without a baseline": { ...digits(), baselines: [] },
  "with hostile names": hostileResults(),
};

describe.each(formats)("as %s", (format) => {
  it("has the same bytes for the same results", () => {
    expect(render(format, digits())).toBe(render(format, digits()));
  });

  it.each(Object.keys(odd))("is there for results %s", (name) => {
    const text = render(format, odd[name]!);
    expect(text.length).toBeGreaterThan(50);
    expect(text.endsWith("\n")).toBe(true);
    expect(text).not.toMatch(/\bundefined\b/);
  });
});

describe("the page", () => {
  const document = page(digits());

  it("needs nothing but itself, and says so", () => {
    const html = render("html", digits());
    expect(html).toMatch(/<meta\s+http-equiv="Content-Security-Policy"\s+content="default-src 'none'; /);
    expect(html).not.toMatch(/<script|<link|<img|<iframe|@import|url\(|https?:|\ssrc=|javascript:/i);
    const links = [...document.querySelectorAll("a")].map((link) => link.getAttribute("href")!);
    for (const link of links) expect(document.querySelector(link)).not.toBeNull();
    expect(document.documentElement.getAttribute("lang")).toBe("en");
  });

  it("begins with what was swept, the baseline, the best trial, failures and the evidence", () => {
    const body = textOf(document.body);
    expect(textOf(document.querySelector("h1"))).toBe("Digits, after 400 steps");
    expect(document.title).toBe("Digits, after 400 steps: report of a sweep");
    expect(body).toContain("12 parameters, 151 kB · started 2026-03-14 09:26 UTC, took 2 min 13 s");
    expect(body).toContain("objective: highest accuracy");
    expect(body).toContain("2 trials failed, and are listed below.");
    expect(body).toContain("79 of 79 trials brought the model back bit for bit.");
    expect(body).toContain("At the end all 12 parameters had the fingerprints of the beginning.");
    expect(textOf(document.querySelector(".tiles"))).toContain("average ema 0.99");
  });

  it("has a section for each kind, each with a figure that is named, described, and there as a table", () => {
    expect(titles(document)).toEqual([
      "Sensitivity by layer",
      "Noise",
      "Layers by factor",
      "Factor",
      "Quantized formats",
      "Adapters",
      "Averages",
      "Memory held",
      "Failures",
      "Receipt",
      "All trials",
    ]);
    const figures = [...document.querySelectorAll("figure")];
    expect(figures).toHaveLength(8);
    const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const figure of figures) {
      const svg = figure.querySelector("svg")!;
      expect(svg.getAttribute("role")).toBe("img");
      const [title, note] = ["aria-labelledby", "aria-describedby"].map((name) =>
        document.getElementById(svg.getAttribute(name)!),
      );
      expect(textOf(title!)).toBe(textOf(figure.parentElement!.querySelector("h2")));
      expect(textOf(note!).length).toBeGreaterThan(20);
      expect(figure.parentElement!.querySelectorAll("details table tbody tr").length).toBeGreaterThan(1);
    }
  });

  it("sorts layers by the size of their effect, in the figure as in the table", () => {
    const sensitivity = section(document, "Sensitivity by layer");
    const wanted = ["head", "conv_in", "block1_conv", "block2_conv", "attention_query", "attention_key"];
    const rows = [...sensitivity.querySelectorAll("tbody tr")].map((row) => textOf(row.querySelector("td")));
    const labels = sensitivity.querySelector('[aria-label="y-axis tick label"]')!.querySelectorAll("text");
    expect(rows).toEqual(wanted);
    expect([...labels].map(textOf)).toEqual(wanted);
    expect([...wanted].sort()).toEqual([...layers].sort());
  });

  it("shows noise as a curve over all seeds, and layers by factor as a map", () => {
    const noise = section(document, "Noise");
    expect(noise.querySelectorAll('[aria-label="dot"] circle')).toHaveLength(6);
    expect(noise.querySelectorAll('[aria-label="area"] path')).toHaveLength(1);
    expect(textOf(noise.querySelector("svg"))).toContain("std (logarithmic)");
    expect(section(document, "Layers by factor").querySelectorAll('[aria-label="cell"] rect')).toHaveLength(
      30,
    );
  });

  it("shows tags of kinds it does not know in the way that their values call for", () => {
    const of = (kind: string, tags: readonly Readonly<Record<string, string | number>>[]) =>
      tags.map((each, i) => trial(`${kind} ${i}`, kind, each, { accuracy: [0.8 + i / 100, 0.8] }));
    const unknown = page({
      ...digits(),
      trials: [
        ...of("strength", [
          { s: 1, at: "all" },
          { s: 2, at: "all" },
          { s: 3, at: "all" },
        ]),
        ...of("pairs", [
          { a: "x", b: "y" },
          { a: "x", b: "z" },
          { a: "y", b: "y" },
        ]),
        ...of("three", [
          { a: "x", b: 1, c: 1 },
          { a: "x", b: 2, c: 2 },
          { a: "y", b: 3, c: 3 },
        ]),
        ...of("bare", [{}, {}]),
      ],
    });
    const marks = (kind: string): readonly string[] =>
      [...section(unknown, kind).querySelectorAll("svg > g")]
        .map((mark) => mark.getAttribute("aria-label")!)
        .filter((label) => ["area", "cell", "bar", "dot"].includes(label));
    expect(marks("strength")).toEqual(["area", "dot"]);
    expect(marks("pairs")).toEqual(["cell"]);
    expect(marks("three")).toEqual(["dot"]);
    expect(marks("bare")).toEqual(["dot"]);
  });

  it("gives each of a hundred layers a row and a label of its own, though their names begin and end alike", () => {
    const names = Array.from({ length: 100 }, (_, i) => `model.decoder.layers.${i}.self_attention.q_proj`);
    const trials = names.map((layer) => trial(layer, "ablation", { layer }, { accuracy: [0.5, 0.6] }));
    const svg = page({ ...digits(), trials }).querySelector("svg")!;
    const labels = [...svg.querySelectorAll('[aria-label="y-axis tick label"] text')].map(textOf);
    expect(new Set(labels).size).toBe(100);
    expect(labels[42]).toBe("…42.self_attention.q_proj");
    expect(Number(svg.getAttribute("height"))).toBeGreaterThan(100 * 20);
  });

  it("says that a sweep is not finished, and does not say that the end was compared", () => {
    const body = textOf(page({ ...digits(), end: undefined }).body);
    expect(body).toContain("Not finished: 79 trials so far.");
    expect(body).toContain("have not been compared with those of the beginning yet");
    expect(body).not.toContain("took");
  });

  it("says so when the model was not back", () => {
    const results = digits();
    const [first, ...others] = results.trials;
    const body = textOf(
      page({
        ...results,
        trials: [{ ...first!, identical: false }, ...others],
        end: { ...results.end!, identical: false },
      }).body,
    );
    expect(body).toContain("After 1 trial the model was not back bit for bit.");
    expect(body).toContain("78 of 79 trials brought the model back bit for bit.");
    expect(body).toContain("the model has changed");
  });

  it("says how many points a figure lacks because they are not finite", () => {
    const body = textOf(page(odd["that are not finite"]!).body);
    expect(body).toMatch(/Not drawn, because their means are not finite numbers: \d points/);
  });

  it("says that intervals are no promise about other data", () => {
    expect(textOf(document.querySelector("footer"))).toContain("not how it would on other data");
  });

  it("shows hostile names as text, everywhere", () => {
    const html = render("html", hostileResults());
    const { document } = parseHTML(html);
    const failures = textOf(section(document, "Failures"));
    // A message has its lines, a reader sees neither of the characters that part them.
    for (const name of hostile.filter((each) => !each.includes("\n"))) {
      expect(failures).toContain(visible(name));
    }
    expect(document.querySelectorAll("script, img, iframe, object, embed, link, b")).toHaveLength(0);
    expect(document.querySelectorAll("style")).toHaveLength(1);
    for (const element of document.querySelectorAll("*")) {
      expect(element.getAttributeNames().filter((name) => name.startsWith("on"))).toEqual([]);
    }
    // oxlint-disable-next-line no-control-regex
    expect(html).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\p{Surrogate}]/u);
  });
});

/** RFC 4180, strictly. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  const pattern = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/gy;
  let end = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    rows.at(-1)!.push(match[1]?.replaceAll('""', '"') ?? match[2]!);
    end = pattern.lastIndex;
    if (match[3] === "\r\n") rows.push([]);
    if (end === text.length) break;
  }
  expect(end).toBe(text.length);
  return rows.slice(0, -1);
}

/** Takes off what keeps a spreadsheet from computing. */
const unprotected = (field: string): string =>
  /^'+[=+\-@\t\r\n＝＋－＠]/.test(field) ? field.slice(1) : field;

describe("CSV", () => {
  const tables = (
    results: Results,
  ): { readonly heads: string[]; readonly rows: Record<string, string>[] } => {
    const [heads, ...rows] = parseCsv(render("csv", results));
    for (const row of rows) expect(row).toHaveLength(heads!.length);
    return {
      heads: heads!,
      rows: rows.map((row) => Object.fromEntries(heads!.map((head, i) => [head, row[i]!]))),
    };
  };

  it("has a row for each trial and metric, and the columns that it always has, then tags", () => {
    const results = digits();
    const { heads, rows } = tables(results);
    const fixed = parseCsv(render("csv", nothing))[0]!;
    const tags = ["adapter", "average", "factor", "format", "layer", "seed", "std"];
    expect(heads).toEqual([...fixed, ...tags.map((tag) => `tag:${tag}`)]);
    expect(rows.filter(({ record }) => record === "baseline")).toHaveLength(3 * 2);
    expect(rows.filter(({ record }) => record === "trial")).toHaveLength(79 * 2);
    expect(rows.filter(({ record }) => record === "failure")).toHaveLength(2);
  });

  it("has each sample bit for bit, and the statistics of a trial", () => {
    const results = digits();
    const { rows } = tables(results);
    const trials = rows.filter(({ record, metric }) => record === "trial" && metric === "loss");
    expect(trials.map(({ samples }) => samples!.split(" ").map(Number))).toEqual(
      results.trials.map(({ metrics }) => metrics["loss"]),
    );
    expect(trials.map(({ mean, change }) => Number(mean) - Number(change))).toSatisfy(
      (baselines: number[]) => Math.max(...baselines) - Math.min(...baselines) < 1e-12, // one rounding each
    );
  });

  it("gives names back as they were, and none as a formula", () => {
    const results = hostileResults();
    const { rows } = tables(results);
    const trials = rows.filter(({ record, metric }) => record === "trial" && metric === "loss");
    expect(trials.map(({ name }) => unprotected(name!))).toEqual(results.trials.map(({ name }) => name));
    const failures = rows.filter(({ record }) => record === "failure");
    expect(failures.map((row) => unprotected(row["tag:name"]!))).toEqual(hostile);
    for (const row of rows) {
      for (const value of Object.values(row).filter((each) => /^[=+\-@]/.test(each))) {
        expect(Number(value)).not.toBeNaN();
      }
    }
  });

  it("leaves negative numbers numbers", () => {
    const results = { ...nothing, trials: [trial("a", "k", { x: -0.5 }, { accuracy: [-1, -2] })] };
    expect(tables(results).rows).toMatchObject([{ mean: "-1.5", samples: "-1 -2", "tag:x": "-0.5" }]);
  });
});

describe("Markdown", () => {
  /** As GitHub does: a pipe parts cells unless a backslash stands before it. */
  const cells = (line: string): readonly string[] => line.split(/(?<!\\)\|/).slice(1, -1);

  const decoded = (cell: string): string =>
    cell.trim().replaceAll(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)));

  function tables(text: string): readonly string[][] {
    return text
      .split("\n\n")
      .filter((block) => block.startsWith("|"))
      .map((block) => block.trimEnd().split("\n"));
  }

  it("has a heading for each section, and what a page says first", () => {
    const text = render("md", digits());
    expect(text).toMatch(/^# Digits, after 400 steps\n/);
    expect(text.match(/^## .*$/gm)).toEqual(titles(page(digits())).map((title) => `## ${title}`));
    expect(text).toContain("79 of 79 trials brought the model back bit for bit.");
    expect(text).toContain("**2 trials failed, and are listed below.**");
  });

  it.each(Object.keys(odd))("has as many cells in each row as in the head, for results %s", (name) => {
    for (const [head, ...rows] of tables(render("md", odd[name]!))) {
      for (const row of rows) expect(cells(row)).toHaveLength(cells(head!).length);
    }
  });

  it("leaves nothing in a name that Markdown or HTML would take for its own", () => {
    const text = render("md", hostileResults()).replaceAll("<br>", " ");
    const names = tables(text)
      .at(-1)!
      .slice(2)
      .map((row) => decoded(cells(row)[0]!));
    expect(names).toEqual(
      hostileResults().trials.map(({ name }) =>
        name
          .split(/\r?\n/)
          .map((line) => visible(line).trim())
          .join(" "),
      ),
    );
    const ours = /^#+ |^\*\*|\*\*$|^\||\|$| \| |\[[−\d., ]+\]/gm;
    expect(text.replaceAll(ours, "").match(/.{0,20}([<>`*~|\\[\]]|:\/\/)/g)).toBeNull();
  });
});

describe("JSON", () => {
  it("is the summary, and says which version of it", () => {
    const { version, ...summary } = JSON.parse(render("json", digits())) as Readonly<Record<string, unknown>>;
    expect(version).toBe(1);
    expect(summary).toEqual(JSON.parse(JSON.stringify(summarize(digits()))));
  });

  it("spells out numbers that JSON does not have", () => {
    const results = { ...nothing, trials: [trial("a", "k", {}, { accuracy: [NaN] })] };
    const { points } = JSON.parse(render("json", results)) as {
      points: readonly { metrics: Readonly<Record<string, { mean: unknown }>> }[];
    };
    expect(points[0]!.metrics["accuracy"]!.mean).toBe("NaN");
  });
});
