import { describe } from "vitest";
import { storeContract } from "../contract/contract.ts";
import { backendRuns } from "../support/tensorflow.ts";
import { webGpuHarness } from "./harness.ts";

const harness = (await backendRuns("webgpu")) ? await webGpuHarness("swap") : undefined;

describe.skipIf(harness === undefined)("where it runs", () => {
  if (harness !== undefined) storeContract("TensorFlow.js on webgpu", harness);
});
