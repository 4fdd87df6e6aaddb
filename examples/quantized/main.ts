/**
 * Trains a small classifier of handwritten digits, quantizes it to NF4 and Q4_0, and validates the quantized models
 * scaled, disabled, noisy and with a LoRA adapter merged: on their codes and scales, which come back byte for byte.
 *
 * Run it with `npm run example:quantized`. It fails if a byte differs afterwards, if the library says of a format or of a
 * grid what is not so, or if a theater holds other bytes than it says.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
// In a project of your own: from "surgical-theater".
import { formatBytes } from "../../src/index.ts";
import { Checks } from "../support/checks.ts";
import { loadDigits } from "../support/load-digits.ts";
import { percent } from "../support/table.ts";
import { loraRank } from "./adapter.ts";
import { shifted } from "./data.ts";
import { areEqual, checkMemory, checkValidation, checkValidations } from "./expectations.ts";
import { bitsandbytes, gguf, rewritten } from "./files.ts";
import { costs, quantized } from "./formats.ts";
import { type Memory, memoryOf } from "./memory.ts";
import { evaluate, layersOf, type Model } from "./model.ts";
import { formatCosts, formatMemory, formatMerged, formatValidations } from "./tables.ts";
import { trainAdapter, trainModel } from "./train.ts";
import { digest, validate, type Validation } from "./validate.ts";
import { type View, viewsFor } from "./views.ts";

const [steps, adapterSteps] = [300, 200];
const checks = new Checks();
const begin = performance.now();
const { training, heldOut } = loadDigits();
const data = { upright: heldOut, shifted: shifted(heldOut) };

// 1. A model in float32, and what it would cost to quantize it.
const floats = await trainModel(training, steps);
const count = Object.values(floats).reduce((sum, { data }) => sum + data.length, 0);
const plain = evaluate(layersOf(floats), heldOut);
const allCosts = costs(floats, heldOut);
console.log(`
Float32   ${count} parameters (${formatBytes(4 * count)}), ${steps} steps on ${training.labels.length} digits
          ${percent(plain.accuracy)} of ${heldOut.labels.length} others read correctly, loss ${plain.loss}

Formats   what quantizing would cost, and what it did cost

${formatCosts(allCosts)}`);
checks.that(plain.accuracy > 0.95, "the model has not learnt to read digits");
checks.each(
  allCosts,
  ({ said, found }) => areEqual(said, found),
  "quantize() says something else than is so",
);

// 2. The model in NF4 and in Q4_0: an adapter for digits that are shifted, and all validations.
async function validateAll(name: string, model: Model): Promise<readonly View[]> {
  const adapter = await trainAdapter(model, name, shifted(training), adapterSteps);
  const beside = evaluate(layersOf(model, adapter), data.shifted);
  const views = viewsFor(adapter);
  const validations = views.map((view) => validate(model, view, data));
  const memory: Memory[] = [];
  for (const view of views) {
    if (view.options.modification !== undefined) memory.push(await memoryOf(model, view));
  }
  const { before } = validations[0]!.digests;
  console.log(`
${name.padEnd(8)}  a LoRA adapter of rank ${loraRank}, ${adapterSteps} steps on digits shifted by a pixel: beside the quantized weights,
          not merged, it reads ${percent(beside.accuracy)} of the shifted ones correctly, loss ${beside.loss.toFixed(4)}

${formatValidations(validations)}

Memory    of ${name}, for what is modified in each case

${formatMemory(memory)}

SHA-256   of codes, scales and biases: ${before} before
                                       ${digest(model)} after all this`);
  checkValidations(checks, name, validations);
  checkMemory(checks, name, memory);
  checks.that(digest(model) === before, `${name}: measuring memory has changed it`);
  return views;
}
const [nf4, q4] = [quantized(floats, "bnb-nf4"), quantized(floats, "gguf-q4_0")];
const nf4Views = await validateAll("NF4", nf4);
const q4Views = await validateAll("Q4_0", q4);

// 3. The other formats, with the adapter that was trained for NF4.
const others: Record<string, readonly Validation[]> = {};
for (const [name, model] of Object.entries({
  "bnb-int8": quantized(floats, "bnb-int8"),
  "gguf-q8_0": quantized(floats, "gguf-q8_0"),
  "bnb-fp4": quantized(floats, "bnb-fp4"),
  "bnb-nf4, scales quantized too": quantized(floats, "bnb-nf4", { nested: true }),
})) {
  others[name] = nf4Views.map((view) => validate(model, view, data));
  for (const each of others[name]) checkValidation(checks, name, each);
}
console.log(`
Others    the same views of other formats; on shifted digits, with the adapter that was trained beside NF4

${formatMerged(others)}
`);

// 4. Files that others read, and back: the same bytes, and the same scores under a theater.
const folder = await mkdtemp(join(tmpdir(), "quantized-"));
for (const [name, kind, model, views] of [
  ["Q4_0", gguf, q4, q4Views],
  ["NF4", bitsandbytes, nf4, nf4Views],
] as const) {
  const read = await rewritten(kind, folder, model);
  const view = views.find(({ name }) => name === "noise, 40 % of std")!;
  const [one, other] = [validate(model, view, data), validate(read, view, data)];
  const isSame = digest(read) === digest(model);
  console.log(
    `${name.padEnd(8)}  as ${kind.file}, written and read again: ${isSame ? "the same bytes" : "OTHER BYTES"}, ` +
      `loss ${other.shown.loss} under ${view.name}`,
  );
  checks.that(isSame, `${kind.file} has other bytes when it is read again`);
  checks.that(areEqual(one.shown, other.shown), `${kind.file}: another loss under the same noise`);
  checkValidation(checks, kind.file, other);
}
await rm(folder, { recursive: true });

console.log(`Time      ${((performance.now() - begin) / 1000).toFixed(0)} s`);
checks.report();
