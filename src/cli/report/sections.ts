/** A section for each kind of trials: which figure answers its question, and what is said above it. */
import { curveFigure, curveTag } from "./curve.ts";
import type { Figure } from "./figure.ts";
import { heatMapAxes, heatMapFigure } from "./heat-map.ts";
import { type Group, isDrawable } from "./points.ts";
import { rowsFigure } from "./rows.ts";

/** Headings of the kinds that builders of trials give. */
const known: Readonly<Record<string, { readonly title: string; readonly question: string }>> = {
  ablation: {
    title: "Sensitivity by layer",
    question: "The model without one of its layers. The largest effect comes first.",
  },
  "layer-factor": { title: "Layers by factor", question: "One layer at a time, multiplied by a factor." },
  factor: { title: "Factor", question: "The selected weights, multiplied by one factor." },
  noise: { title: "Noise", question: "Gaussian noise on the weights, by its standard deviation." },
  adapter: { title: "Adapters", question: "Each adapter merged alone." },
  average: { title: "Averages", question: "Averaged or other weights in place of the model's." },
  quantize: { title: "Quantized formats", question: "What each format would make of the weights." },
  prune: { title: "Pruning", question: "The smallest weights set to zero, by the share of them." },
  grid: { title: "Modifications by layers", question: "Each modification on each selection of layers." },
};

/** What stands above the figure. */
export function headingOf(kind: string): { readonly title: string; readonly question: string | undefined } {
  return Object.hasOwn(known, kind) ? known[kind]! : { title: kind, question: undefined };
}

/** In the order in which they are shown: layers by the size of their effect, numbers by size, others as they came. */
export function arranged(group: Group): Group {
  const { kind, points } = group;
  const curve = curveTag(points);
  if (curve !== undefined) {
    return { ...group, points: [...points].sort((a, b) => Number(a.tags[curve]) - Number(b.tags[curve])) };
  }
  if (kind !== "ablation") return group;
  const effect = ({ change }: Group["points"][number]): number =>
    change === undefined ? -1 : Math.abs(change);
  return { ...group, points: [...points].sort((a, b) => effect(b) - effect(a)) };
}

/** The figure that the tags call for, whatever the kind; undefined where no value is finite. */
export function figureOf(group: Group): Figure | undefined {
  const { points, kind } = group;
  if (!points.some((point) => isDrawable(point, group))) return undefined;
  const curve = curveTag(points);
  if (curve !== undefined) return curveFigure(group, curve);
  const axes = group.baseline === undefined ? undefined : heatMapAxes(points);
  if (axes !== undefined) return heatMapFigure(group, axes);
  return rowsFigure(group, kind === "ablation" ? "bars" : "dots");
}
