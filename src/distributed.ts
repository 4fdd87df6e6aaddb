/// <reference lib="esnext.disposable" preserve="true" />
/** The entry point for parameters that are divided among processes: communicators and layouts. See docs/distributed.md. */
export * from "./shared.ts";
export { CommunicatorError, LayoutError } from "./errors.ts";
export { agree, agreeAsync, agreeOn, agreeOnAsync } from "./distributed/agree.ts";
export { checkRuns, checkRunsAsync, type OwnRuns } from "./distributed/check-runs.ts";
export type {
  AllGatherOptions,
  CallOptions,
  Collectives,
  Communicator,
  Counts,
  GatherOptions,
  Into,
  ReduceOptions,
  ReduceScatterOptions,
  Reduction,
  RootOptions,
  ScatterOptions,
  Sendable,
  SplitOptions,
} from "./distributed/communicator.ts";
export { checkLayout } from "./distributed/coverage.ts";
export {
  type FlatPadded,
  flatPadded,
  type FlatUnit,
  flatUnit,
  type GivenRuns,
  givenRuns,
  type Mesh,
  mesh,
  type MeshAxis,
  type Replicated,
  replicated,
  type Run,
  type Shard,
  shard,
  type ShardLayout,
} from "./distributed/layouts.ts";
export { mpi, type MpiCommunicator, type MpiOptions } from "./distributed/mpi.ts";
export { localLength, type Member, runsOf } from "./distributed/runs.ts";
export { solo } from "./distributed/solo.ts";
export {
  Ema,
  planTheater,
  surgicalTheater,
  surgicalTheaterAsync,
  withTheater,
  withTheaterAsync,
} from "./distributed/entry.ts";
export { sharded, type ShardedArray, type ShardedModel } from "./distributed/sharded.ts";
