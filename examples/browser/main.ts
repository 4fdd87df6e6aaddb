/**
 * The page: trains on webgpu, where the browser has it, and on wasm; shows how far it is and what it found; and sends
 * the same to the server that it came from.
 */
import * as tf from "@tensorflow/tfjs";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import "@tensorflow/tfjs-backend-webgpu";
import { formatReceipt, type ValidateEvery } from "../../src/tfjs.ts";
import { toTensors } from "../digits/digits.ts";
import { fetchDigits } from "./digits.ts";
import {
  type BackendResults,
  endAlike,
  failures,
  type Receipts,
  type Report,
  type Results,
} from "./results.ts";
import { formatResults } from "./summary.ts";
import { steps, trainExamined, trainingCount, trainPlain, trainValidated } from "./training.ts";

const heldOutCount = 80;
/** How often to repeat the training without validations where not every training ends with the same bits. */
const repetitions = 3;

setWasmPaths("./");
// For training on wasm. Not imported for its effect alone: package.json says that modules here have none.
await import("../support/convolution-gradient.ts");

const [progress, state, log] = ["progress", "#state", "#log"].map((name) => document.querySelector(name)) as [
  HTMLProgressElement,
  HTMLElement,
  HTMLElement,
];

function say(text: string): void {
  log.textContent += `${text}\n`;
}

/** Runs one training, shows how far it is, and measures how long it takes. */
async function timed<R>(
  what: string,
  training: (onStep: (step: number) => void) => Promise<R>,
): Promise<readonly [R, number]> {
  progress.max = steps;
  const begin = performance.now();
  const result = await training((step) => {
    progress.value = step;
    state.textContent = `${what}: step ${step} of ${steps}`;
  });
  return [result, performance.now() - begin];
}

function summarize(validations: readonly ValidateEvery<number>[]): Receipts {
  const receipts = validations.flatMap(({ history }) => history.map(({ receipt }) => receipt));
  const last = receipts.at(-1)!;
  return {
    count: receipts.length,
    identical: receipts.filter(({ identical }) => identical).length,
    heldBytes: last.heldBytes,
    last: formatReceipt(last),
  };
}

async function runOn(backend: string, digits: readonly (readonly number[])[]): Promise<BackendResults> {
  const heldOut = toTensors(digits.slice(0, heldOutCount));
  const training = toTensors(digits.slice(heldOutCount, heldOutCount + trainingCount));
  const trainOnce = (): Promise<readonly [string, number]> =>
    timed(`${backend}, without validations`, (onStep) => trainPlain(training, onStep));

  const [plain, plainMs] = await trainOnce();
  const [validated, validatedMs] = await timed(`${backend}, with validations`, (onStep) =>
    trainValidated(training, heldOut, onStep),
  );
  const [examined, examinedMs] = await timed(`${backend}, with validations, examined`, (onStep) =>
    trainExamined(training, heldOut, onStep),
  );
  const ends = { plain: [plain], validated: validated.digest, examined: examined.digest };
  if (!endAlike(ends)) {
    for (let i = 0; i < repetitions; i++) ends.plain.push((await trainOnce())[0]);
  }
  tf.dispose([Object.values(heldOut), Object.values(training)]);
  return {
    backend,
    ...ends,
    compared: examined.compared,
    rounds: examined.rounds,
    receipts: {
      swap: summarize([validated.noisy, examined.noisy]),
      stream: summarize([validated.scaled, examined.scaled]),
    },
    ticks: validated.ticks,
    ms: { plain: plainMs, validated: validatedMs, examined: examinedMs },
  };
}

/** Makes `backend` the current one. Not left to `setBackend` alone, which goes on with another if one fails. */
async function start(backend: string): Promise<boolean> {
  state.textContent = `Starting ${backend}…`;
  // Typed as if every browser had it.
  const { gpu } = navigator as { readonly gpu?: GPU };
  if (backend === "webgpu" && ((await gpu?.requestAdapter()) ?? null) === null) return false;
  if (!(await tf.setBackend(backend)) || tf.getBackend() !== backend) {
    throw new Error(`TensorFlow.js cannot run its ${backend} backend here.`);
  }
  return true;
}

async function run(): Promise<Results> {
  const digits = await fetchDigits();
  const backends: BackendResults[] = [];
  const missing: string[] = [];
  for (const backend of ["webgpu", "wasm"]) {
    if (await start(backend)) {
      backends.push(await runOn(backend, digits));
      say(formatResults(backends.at(-1)!));
    } else {
      missing.push(backend);
      say(`This browser has no ${backend} here.`);
    }
  }
  return { userAgent: navigator.userAgent, steps, backends, missing };
}

async function send(report: Report): Promise<void> {
  await fetch("results", { method: "POST", body: JSON.stringify(report) });
}

async function fail(error: unknown): Promise<void> {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  state.textContent = "Failed.";
  say(text);
  await send({ error: text });
}

window.addEventListener("error", ({ error, message }) => void fail(error ?? message));
window.addEventListener("unhandledrejection", ({ reason }) => void fail(reason));

const results = await run();
const wrong = failures(results);
state.textContent = wrong.length === 0 ? "Done: every bit came back." : `Failed: ${wrong.join("; ")}`;
await send(results);
