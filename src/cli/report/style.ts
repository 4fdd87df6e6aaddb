/** How a page looks, in light, in dark and on paper. Blue and orange differ for every kind of colour vision. */
export const style = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1c2128; --quiet: #5b6570; --line: #dde2e7; --band: #e9edf1; --raised: #f6f8fa;
  --accent: #1f62b0; --better: #3f8fd8; --worse: #e58a1f; --alarm: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181d; --ink: #e4e8ec; --quiet: #9aa5b1; --line: #2f363f; --band: #262d35; --raised: #1c2229;
    --accent: #79b1f2; --better: #4a93d9; --worse: #cf7a16; --alarm: #ff8a80;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 60rem; padding: 2.5rem 1.5rem 4rem;
  background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; letter-spacing: -0.01em; }
h2 { margin: 3rem 0 0.4rem; padding-top: 1.4rem; border-top: 1px solid var(--line); font-size: 1.3rem; line-height: 1.3; }
h1, h2, p, dd, td, th, li { overflow-wrap: anywhere; }
p { margin: 0.4rem 0; }
a { color: var(--accent); }
.quiet, figcaption, footer { color: var(--quiet); font-size: 0.875rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(12.5rem, 1fr)); gap: 0.75rem; margin: 1.5rem 0 1rem; }
.tiles > div { padding: 0.8rem 1rem; border: 1px solid var(--line); border-radius: 8px; background: var(--raised); }
dt { color: var(--quiet); font-size: 0.8125rem; }
dd { margin: 0; }
.tiles dd:first-of-type { font-size: 1.3rem; font-weight: 600; line-height: 1.35; font-variant-numeric: tabular-nums; }
.tiles dd + dd { color: var(--quiet); font-size: 0.8125rem; }
.facts { display: grid; align-items: baseline; grid-template-columns: minmax(9rem, max-content) 1fr; gap: 0.35rem 1.5rem; margin: 1rem 0; }
.facts dd { font-size: 0.9375rem; }
.warnings { margin: 1.25rem 0; padding: 0.6rem 1rem; list-style: none; border: 1px solid var(--alarm); border-radius: 8px; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; margin: 1rem 0 0; padding: 0; list-style: none; font-size: 0.9375rem; }
figure { margin: 1rem 0 0.75rem; overflow-x: auto; }
figure svg { display: block; width: 100%; min-width: 34rem; height: auto; font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; font-variant-numeric: tabular-nums; }
figure svg text { white-space: pre; }
figcaption { margin-top: 0.5rem; max-width: 46rem; }
.better, .worse { font-weight: 600; color: var(--ink); }
.better::before, .worse::before {
  content: ""; display: inline-block; width: 0.7em; height: 0.7em; margin-right: 0.35em; border-radius: 2px;
  background: var(--better);
}
.worse::before { background: var(--worse); }
summary { margin: 0.5rem 0; color: var(--accent); font-size: 0.9375rem; cursor: pointer; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: 0.8125rem; line-height: 1.4; font-variant-numeric: tabular-nums; }
th, td { padding: 0.35rem 1rem 0.35rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--quiet); font-weight: 600; vertical-align: bottom; }
th.number, td.number { text-align: right; }
/* As wide as the text, up to a limit: words are not broken to save room, tables scroll instead. */
td > bdi, th > bdi { display: block; width: max-content; max-width: 20rem; overflow-wrap: anywhere; }
.number > bdi { margin-left: auto; }
code { font: 0.875em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); }
@media print {
  :root {
    color-scheme: light;
    --paper: #ffffff; --ink: #000000; --quiet: #444444; --line: #cccccc; --band: #e9edf1; --raised: #ffffff;
    --accent: #1f62b0; --better: #3f8fd8; --worse: #e58a1f; --alarm: #b3261e;
  }
  @page { margin: 16mm; }
  body { max-width: none; padding: 0 1px; font-size: 10pt; }
  @page wide { size: A4 landscape; margin: 14mm; }
  .wide { page: wide; }
  nav, summary { display: none; }
  .tiles { grid-template-columns: repeat(4, 1fr); }
  h2, h2 + p { break-after: avoid; }
  h2 { margin-top: 1.5rem; }
  figure, .tiles, tr { break-inside: avoid; }
  figure svg { min-width: 0; max-height: 235mm; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  /* Taller than a page: cut rather than made too small to read. */
  figure.tall { break-inside: auto; }
  figure.tall svg { max-height: none; }
  .scroll, figure { overflow: visible; }
  table { font-size: 7.5pt; }
  th, td { padding-right: 0.5rem; }
  td > bdi, th > bdi { width: auto; max-width: none; }
  th > bdi { overflow-wrap: break-word; }
  td.number { white-space: nowrap; }
  thead { display: table-header-group; }
}
`;
