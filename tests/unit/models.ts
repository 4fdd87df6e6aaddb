/** Models as selections see them, made from names and shapes. */
import { layerPathOf, type Selectable } from "../../src/layers.ts";
import type { Parameter } from "../../src/store.ts";

/** A shape, or more than that. */
export type Sketch = readonly number[] | (Pick<Parameter, "shape"> & Partial<Parameter>);

function isShape(sketch: Sketch): sketch is readonly number[] {
  return Array.isArray(sketch);
}

/** Parameters by name, float32 unless they say otherwise, in layers by the paths of their names. */
export function inMemory(sketches: Readonly<Record<string, Sketch>>): Selectable {
  const layers: string[] = [];
  const parameters = Object.entries(sketches).map(([name, sketch], index): Parameter => {
    const given = isShape(sketch) ? { shape: sketch } : sketch;
    const layer = given.layer ?? layerPathOf(name);
    if (!layers.includes(layer)) layers.push(layer);
    const elements = given.shape.reduce((product, n) => product * n, 1);
    return {
      name,
      aliases: [],
      layer,
      index,
      layerIndex: layers.indexOf(layer),
      dtype: "float32",
      bytes: 4 * elements,
      trainable: true,
      ...given,
    };
  });
  return { parameters, layers };
}
