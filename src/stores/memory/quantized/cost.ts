/** What showing layers on a quantized parameter holds, known before anything is touched. */
import { ValueRangeError } from "../../../dtypes/convert.ts";
import type { NumericArray } from "../../../dtypes/dtype.ts";
import { type Codec, regionBytes } from "../../../quantized/codec.ts";
import { codecOf, sliceOf } from "../../../quantized/parameter.ts";
import type { Bytes, Layer, Technique } from "../../../store.ts";
import { isGiven } from "../copy.ts";
import { factorBytes, operandBytes } from "../operands.ts";
import { isPlain } from "../steps.ts";
import type { QuantizedEntry } from "./entry.ts";
import { foldBlocks, foldBytes, windowLength } from "./fold.ts";
import { areRepeatable, type Layers } from "./layers-shown.ts";
import { areScales } from "./scale.ts";
import { withOriginal } from "./stage.ts";
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

/** What brings the original back: an estimate, and between which figures it is. */
interface Range {
  readonly least: number;
  readonly held: number;
  readonly most: number;
}

const exactly = (bytes: number): Range => ({ least: bytes, held: bytes, most: bytes });

function undoBytes(entry: QuantizedEntry, technique: Technique, layers: Layers): Range {
  const { parameter, codec } = entry;
  if (layers.length === 0) return exactly(0);
  if (technique === "copy" || !areRepeatable(layers)) return exactly(parameter.bytes);
  if (areScales(layers.flatMap(({ steps }) => steps))) return exactly(bytesOf(codec.scales));
  const state = bytesOf(codec.state);
  const moved = Math.round(withOriginal(entry, () => movedBytes(entry, layers)));
  return { least: state, held: state + moved, most: state + regionBytes(codec.codes) };
}

/** Bytes of what steps bring along, and of what must be kept while lower layers may still close. */
function keptBytes({ parameter }: QuantizedEntry, layers: Layers): number {
  let kept = 0;
  if (layers.length > 1 && layers[0]!.steps.some(isGiven)) kept += parameter.bytes;
  for (const [level, { steps }] of layers.entries()) {
    for (const step of steps) {
      if (level > 0 && step.op === "replace") kept += parameter.bytes;
      else kept += level > 0 ? operandBytes(step) : factorBytes(step);
    }
  }
  return kept;
}

/** All values, and a copy, where a replacement needs them; user code gives as many back. */
function wholeBytes({ codec }: QuantizedEntry, step: Layer<NumericArray>["steps"][number]): number {
  if (step.op !== "replace" || step.by.kind === "values") return 0;
  return (step.by.kind === "computed" ? 12 : 8) * codec.length;
}

/** What `added` adds above the layers shown. */
export function costOfQuantized(
  entry: QuantizedEntry,
  technique: Technique,
  shown: Layers,
  added: Layer<NumericArray>,
): Bytes {
  const layers = [...shown, added];
  const before = undoBytes(entry, technique, shown);
  const after = undoBytes(entry, technique, layers);
  const kept = keptBytes(entry, layers) - keptBytes(entry, shown);
  return {
    held: after.held - before.held + kept,
    most: after.most - before.least + kept,
    shared: new Map(),
    transient: areScales(added.steps)
      ? 0
      : foldBytes(entry.codec) + Math.max(...added.steps.map((step) => wholeBytes(entry, step))),
  };
}
