/// <reference lib="esnext.disposable" preserve="true" />
/** The entry point for sweeps: many trials on one model, recorded, resumable. See docs/sweep.md. */
export * from "./shared.ts";
export { SweepError } from "./errors.ts";
export {
  ablation,
  adapters,
  averages,
  factors,
  formats,
  grid,
  layerFactors,
  type NoiseLevels,
  noiseLevels,
  sparsities,
  type Where,
} from "./sweep/builders.ts";
export {
  type Aim,
  type AnySweep,
  checkSweep,
  defineSweep,
  type Evaluation,
  type Subject,
  type Sweep,
} from "./sweep/define.ts";
export type { Progress } from "./sweep/progress.ts";
export { readResults } from "./sweep/read.ts";
export type {
  BaselineRecord,
  EndRecord,
  FailureRecord,
  Header,
  Objective,
  ResultRecord,
  Results,
  Samples,
  TrialRecord,
} from "./sweep/records.ts";
export { runSweep } from "./sweep/run.ts";
export type { RunOptions } from "./sweep/run-options.ts";
export { type Statistics, statisticsOf } from "./sweep/statistics.ts";
export { type Held, type MetricStatistics, type Point, summarize, type Summary } from "./sweep/summary.ts";
export type { Tags, Trial } from "./sweep/trial.ts";
