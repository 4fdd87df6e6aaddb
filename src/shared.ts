/** What every entry point re-exports: builders, errors, and the types of options and results. */
export { custom, type Custom } from "./modifications/custom.ts";
export { disable, type Disable } from "./modifications/disable.ts";
export { interpolate, type Interpolate } from "./modifications/interpolate.ts";
export { lora, type Lora } from "./modifications/lora.ts";
export type { LoraFactors, LoraOptions } from "./modifications/adapter.ts";
export { noise, type Noise } from "./modifications/noise.ts";
export { prune, type Prune } from "./modifications/prune.ts";
export { quantize, type Quantize } from "./modifications/quantize.ts";
export { scale, type Scale } from "./modifications/scale.ts";
export type { Modification } from "./modification.ts";
export {
  FormatError,
  LayersError,
  ModificationError,
  RestoreError,
  SurgicalTheaterError,
  TheaterStateError,
  UnsupportedError,
} from "./errors.ts";
export type { EmaOptions } from "./ema.ts";
export type { Store, Synchronous } from "./entry.ts";
export type { Layers, LayerSelector, LeftOut } from "./layers.ts";
export type { Options } from "./options.ts";
export type { Plan, PlannedParameter } from "./plan.ts";
export { formatBytes, formatReceipt, type Proof, type Receipt } from "./receipt.ts";
export type { DeltaStatistics, Report } from "./report.ts";
export type { ParameterInfo } from "./step.ts";
export type { Parameter, Realised, Technique } from "./store.ts";
export { AsyncSurgicalTheater, SurgicalTheater } from "./surgical-theater.ts";
