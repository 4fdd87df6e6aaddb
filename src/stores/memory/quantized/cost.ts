/** What showing layers on a quantized parameter holds, known before anything is touched. */
import { ValueRangeError } from "../../../dtypes/convert.ts";
import type { NumericArray } from "../../../dtypes/dtype.ts";
import { type Codec, regionBytes } from "../../../quantized/codec.ts";
import { codecOf, sliceOf } from "../../../quantized/parameter.ts";
import type { Step } from "../../../step.ts";
import type { Bytes, Layer, Technique } from "../../../store.ts";
import { isPlain } from "../steps.ts";
import type { QuantizedEntry } from "./entry.ts";
import { foldBlocks, foldBytes, windowLength } from "./fold.ts";
import { areTakenTogether, isMadeOnce, type Layers, lentBytes, ownBytes } from "./layers.ts";
import { areScales } from "./scale.ts";
import { stageOn, withOriginal } from "./stage.ts";
import { Undo } from "./undo.ts";

/** How many windows are tried to see how many codes will move. */
const WINDOWS = 8;

const bytesOf = (regions: Codec["state"]): number =>
  regions.reduce((sum, each) => sum + regionBytes(each), 0);

/** Bytes of codes that move, from copies of some windows. */
function movedBytes({ codec, quantized, parameter }: QuantizedEntry, layers: Layers): number {
  const steps = layers.flatMap((layer) => layer.steps).filter(isPlain);
  const length = windowLength(codec);
  const windows = Math.ceil(codec.length / length);
  const step = Math.max(1, Math.floor(windows / WINDOWS));
  let [tried, moved] = [0, 0];
  for (let window = 0; window < windows; window += step) {
    const first = window * length;
    const count = Math.min(length, codec.length - first);
    const sample = codecOf(sliceOf(quantized, first, count));
    const undo = new Undo(sample.codes);
    try {
      foldBlocks(sample, parameter, steps, { undo }, first);
    } catch (error) {
      // Opening will say which scale the format cannot hold.
      if (!(error instanceof ValueRangeError)) throw error;
    }
    tried += count;
    moved += undo.bytes - bytesOf(sample.state);
  }
  return (moved / tried) * codec.length;
}

/** Bytes held: an estimate, and what it can be at most. */
interface Range {
  readonly held: number;
  readonly most: number;
}

const exactly = (bytes: number): Range => ({ held: bytes, most: bytes });

/** What brings the original back. @param layers - undefined if they are not taken together */
function undoBytes(entry: QuantizedEntry, technique: Technique, layers: Layers | undefined): Range {
  const { parameter, codec } = entry;
  if (layers?.length === 0) return exactly(0);
  if (technique === "copy" || layers === undefined) return exactly(parameter.bytes);
  if (areScales(layers.flatMap(({ steps }) => steps))) return exactly(bytesOf(codec.scales));
  const state = bytesOf(codec.state);
  const moved = Math.round(withOriginal(entry, () => movedBytes(entry, layers)));
  return { held: state + moved, most: state + regionBytes(codec.codes) };
}

/** A layer as it can be computed again; undefined where only its result can be kept. */
function repeatable(layer: Layer<NumericArray>): Layer<NumericArray> | undefined {
  return isMadeOnce(layer) ? undefined : layer;
}

/** What showing `layers` holds, all of them together. @param again - each as it can be computed again */
function heldFor(
  entry: QuantizedEntry,
  technique: Technique,
  layers: Layers,
  again: readonly (Layer<NumericArray> | undefined)[],
): Range {
  // One that is alone lets go of its factors.
  let kept = layers.length > 1 ? ownBytes(layers) : 0;
  for (const [level, layer] of layers.length > 1 ? again.entries() : []) {
    if (layer !== undefined) kept += lentBytes(layer);
    // What the uppermost one has made is visible.
    else if (level < layers.length - 1) kept += entry.parameter.bytes;
  }
  const known = layers.length > 1 ? again.filter((layer) => layer !== undefined) : layers;
  const isTogether = known.length === layers.length && areTakenTogether(known);
  const undo = undoBytes(entry, technique, isTogether ? known : undefined);
  return { held: undo.held + kept, most: undo.most + kept };
}

/** All values, and a copy, where a replacement needs them; user code gives as many back. */
function wholeBytes({ codec }: QuantizedEntry, step: Step<NumericArray>): number {
  if (step.op !== "replace" || step.by.kind === "values") return 0;
  return (step.by.kind === "computed" ? 12 : 8) * codec.length;
}

/** Factors of a low-rank delta as float64. */
function factorBytes(step: Step<NumericArray>): number {
  if (step.op !== "add" || step.delta.kind !== "lowRank") return 0;
  return 8 * (step.delta.a.length + step.delta.b.length);
}

/** What taking these layers needs for a moment, the uppermost one for the first time. */
function transientOf(entry: QuantizedEntry, layers: Layers): number {
  const steps = layers.flatMap((layer) => layer.steps);
  if (areScales(steps)) return 0;
  const factors = steps.reduce((sum, step) => sum + factorBytes(step), 0);
  const whole = layers.at(-1)!.steps.map((step) => wholeBytes(entry, step));
  const own = layers.length > 1 ? 0 : ownBytes(layers);
  return foldBytes(entry.codec) + factors + own + Math.max(0, ...whole);
}

/** What `added` adds above the layers shown. */
export function costOfQuantized(
  entry: QuantizedEntry,
  technique: Technique,
  shown: Layers,
  added: Layer<NumericArray>,
): Bytes {
  const stage = stageOn(entry);
  const again = shown.map((layer) => (stage === undefined ? repeatable(layer) : stage.repeatable(layer)));
  const { held: before } = stage?.bytes() ?? heldFor(entry, technique, shown, again);
  const { held, most } = heldFor(entry, technique, [...shown, added], [...again, repeatable(added)]);
  const taken = [...again.filter((layer) => layer !== undefined), added];
  return {
    held: held - before,
    most: most - before,
    shared: new Map(),
    transient: transientOf(entry, taken),
  };
}
