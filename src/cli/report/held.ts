/** What trials held, against a copy of the model. */
import { barX, gridX, ruleX, text } from "@observablehq/plot";
import { formatBytes } from "../../receipt.ts";
import type { Summary } from "../../sweep/summary.ts";
import { colours, type Figure, rowLabels, marginFor } from "./figure.ts";

export function heldFigure({ held, header }: Summary): Figure {
  const rows = [
    ...held.map(({ kind, technique, heldBytes }) => ({
      label: `${kind}, ${technique}`,
      bytes: heldBytes,
      fill: colours.accent,
    })),
    { label: "a copy of the model", bytes: header.modelBytes, fill: colours.quiet },
  ];
  const labels = rowLabels(rows.map(({ label }) => label));
  return {
    options: {
      height: 50 + 26 * rows.length,
      marginLeft: marginFor(labels),
      marginRight: 76,
      marginTop: 8,
      marginBottom: 42,
      y: {
        type: "band",
        domain: rows.keys(),
        tickFormat: (y: number) => labels[y]!,
        tickSize: 0,
        label: null,
        padding: 0.3,
      },
      x: {
        label: "bytes held",
        labelAnchor: "center",
        labelArrow: "none",
        labelOffset: 38,
        ticks: 5,
        tickFormat: formatBytes,
        zero: true,
      },
      marks: [
        gridX({ ticks: 5, stroke: colours.line, strokeOpacity: 1 }),
        barX(rows, { y: (_, i) => i, x: "bytes", fill: "fill" }),
        ruleX([0], { stroke: colours.ink }),
        text(rows, {
          y: (_, i) => i,
          text: ({ bytes }: { bytes: number }) => formatBytes(bytes),
          frameAnchor: "right",
          textAnchor: "end",
          dx: 70,
        }),
      ],
    },
    note: "Most bytes that a trial held beyond the model itself, by kind and technique.",
  };
}
