/** What a theater holds, as Node counts it, beside what copies would hold. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
// In a project of your own: from "surgical-theater" and "surgical-theater/quantized".
import { planTheater, surgicalTheater } from "../../src/index.ts";
import { decodeQuantized, type QuantizedParameter } from "../../src/quantized.ts";
import type { Model } from "./model.ts";
import type { View } from "./views.ts";

/** Bytes, for the parameters that a view modifies. */
export interface Memory {
  readonly view: View;
  /** What the theater was planned to hold, an estimate where codes move; what it said that it holds; what Node found. */
  readonly planned: number;
  readonly held: number;
  readonly measured: number;
  /** A copy of codes and scales. */
  readonly packed: number;
  /** A dequantized copy, as Node found it. */
  readonly floats: number;
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Bytes of all typed arrays that something still refers to. */
function liveBytes(): number {
  // Buffers are freed after a collection, beside the program; the next one waits for that.
  for (let i = 0; i < 2; i++) collect();
  return process.memoryUsage().arrayBuffers;
}

/** What `make` leaves alive until `free`: the least of several tries, for some garbage stays for a while. */
function bytesOf<T>(make: () => T, free: (made: T) => void): number {
  const tries: number[] = [];
  for (let i = 0; i < 5; i++) {
    const before = liveBytes();
    const made = make();
    const bytes = liveBytes() - before;
    free(made);
    // The first one also makes what the library keeps from then on.
    if (i > 0) tries.push(bytes);
  }
  return Math.min(...tries);
}

/** Measures what a view of a model holds. */
export function memoryOf(model: Model, view: View): Memory {
  const { options } = view;
  const plan = planTheater(model, options);
  let held = 0;
  const measured = bytesOf(
    () => surgicalTheater(model, options),
    (theater) => {
      held = theater.report().heldBytes;
      theater.close();
    },
  );
  const targets = plan.parameters.map(({ name }) => model[name] as QuantizedParameter);
  const floats = bytesOf(
    () => targets.map(decodeQuantized),
    (copy) => copy.splice(0),
  );
  return { view, planned: plan.heldBytes, held, measured, packed: plan.targetBytes, floats };
}
