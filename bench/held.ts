/**
 * What theaters hold, planned and measured: a stack of dense layers with BatchNorm, modified as a whole. On
 * TensorFlow.js measured by unique data; in memory by the growth of the process's array buffers.
 *
 * npm run bench:held
 */
import { setImmediate } from "node:timers/promises";
import * as tf from "@tensorflow/tfjs";
import * as memory from "../src/index.ts";
import * as tfjs from "../src/tfjs.ts";
import { startMeter } from "../tests/support/meter.ts";
import { printTable } from "./measure.ts";

type Row = Readonly<Record<string, string | number>>;

const { custom, disable, interpolate, noise, scale } = tfjs;
const percent = (part: number, whole: number): string =>
  `${(whole === 0 ? 0 : (100 * part) / whole).toFixed(1)} %`;

function row(engine: string, name: string, plan: memory.Plan, measured: number): Row {
  return {
    engine,
    modification: name,
    "targets, kB": (plan.targetBytes / 1000).toFixed(0),
    "planned of targets": percent(plan.heldBytes, plan.targetBytes),
    "measured of targets": percent(measured, plan.targetBytes),
    "of a model copy": percent(measured, plan.modelBytes),
    "on top while opening": percent(plan.transientBytes, plan.targetBytes),
    "packed by the engine": percent(plan.engineBytes, plan.targetBytes),
  };
}

/** Four blocks of dense layers with the shapes of a small transformer, and a normalisation. */
function network(backend: string): tf.LayersModel {
  const model = tf.sequential();
  for (let block = 0; block < 4; block++) {
    for (const [part, units] of Object.entries({ q: 256, k: 256, v: 256, out: 256, up: 1024, down: 256 })) {
      const name = `${backend}_block_${block}_${part}`;
      model.add(
        tf.layers.dense({ name, units, ...(model.layers.length === 0 ? { inputShape: [256] } : {}) }),
      );
    }
    model.add(tf.layers.batchNormalization({ name: `${backend}_norm_${block}` }));
  }
  return model;
}

async function onTensorFlow(backend: string): Promise<readonly Row[]> {
  if (!(await tf.setBackend(backend))) throw new Error(`backend ${backend} is not available`);
  const model = network(backend);
  const ema = new tfjs.Ema(model, { decay: 0.9 });
  ema.update();
  ema.update();
  const all = { layers: "all" };
  const cases: Readonly<Record<string, tfjs.Options<tf.Tensor>>> = {
    "none (guard)": {},
    "scale(0.9)": { modification: scale(0.9), ...all },
    "noise(0.01)": { modification: noise({ std: 0.01, seed: 1 }), ...all },
    "disable()": { modification: disable(), ...all },
    "custom (delta)": { modification: custom((w: tf.Tensor) => tf.mul(w, 0.1)), ...all },
    EMA: { modification: interpolate(ema.weights) },
    "EMA, amount 0.5": { modification: interpolate(ema.weights, 0.5) },
  };
  return Object.entries(cases).map(([name, options]) => {
    const meter = startMeter();
    const theater = tfjs.surgicalTheater(model, options);
    const measured = meter.grown();
    theater.close();
    meter.stop();
    return row(`tfjs ${backend}, swap`, name, theater.plan, measured);
  });
}

async function inMemory(): Promise<readonly Row[]> {
  const model = { kernel: new Float32Array(8e6).fill(0.5), bias: new Float32Array(1000) };
  const ema = new memory.Ema(model, { decay: 0.9 });
  ema.update();
  const all = { layers: "all", technique: "copy" } as const;
  const cases: Readonly<Record<string, Parameters<typeof memory.surgicalTheater>[1]>> = {
    "none (guard)": {},
    "scale(0.9)": { modification: scale(0.9), ...all },
    "noise(0.01)": { modification: noise({ std: 0.01, seed: 1 }), ...all },
    "disable()": { modification: disable(), ...all },
    "custom (delta)": { modification: memory.custom<Float32Array>((w) => w.map((x) => x / 10)), ...all },
    EMA: { modification: interpolate(ema.weights), technique: "copy" },
  };
  const rows: Row[] = [];
  for (const [name, options] of Object.entries(cases)) {
    // Spare buffers of the theater before are held weakly, and so until the turn ends.
    await setImmediate();
    globalThis.gc!();
    const before = process.memoryUsage().arrayBuffers;
    const theater = memory.surgicalTheater(model, options);
    globalThis.gc!();
    const measured = process.memoryUsage().arrayBuffers - before;
    theater.close();
    rows.push(row("memory, copy", name, theater.plan, measured));
  }
  return rows;
}

if (globalThis.gc === undefined) throw new Error("run with --expose-gc: npm run bench:held");
const cpu = await onTensorFlow("cpu");
// Loaded only now: where it is loaded, zeros are shared by shape on every backend.
await import("@tensorflow/tfjs-backend-wasm");
printTable([...cpu, ...(await onTensorFlow("wasm")), ...(await inMemory())]);
