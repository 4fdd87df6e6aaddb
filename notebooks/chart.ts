/** Observable Plot without a browser: charts as SVG, for the notebook's outputs. */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

/** Draws what `Plot.plot` draws, on white, so that it can be read where the page is dark. */
export function chart(options: Plot.PlotOptions): string {
  const { document } = parseHTML("<html><body></body></html>");
  const svg = Plot.plot({ width: 720, style: { background: "white", color: "black" }, ...options, document });
  // Outside of HTML an image is one only with its namespace.
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return svg.outerHTML;
}
