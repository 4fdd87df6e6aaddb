/** TensorFlow.js variables on a WebGPU device under the contract. */
import { abs, clone, mul, type Tensor, tensor1d, type Variable } from "@tensorflow/tfjs-core";
import type { TfjsModel } from "../../src/tfjs.ts";
import type { Harness } from "../contract/harness.ts";
import { tfjsHarness } from "../contract/tfjs-harness.ts";
import { type FaultPoint, faultPoint } from "../support/failing.ts";
import { bufferManager, readFromDevice, submit, upload } from "./device.ts";

type Model = Readonly<Record<string, Variable>>;

/** Whether this device takes subnormal numbers for zeros. SwiftShader does, and WGSL lets it. */
async function flushesSubnormals(): Promise<boolean> {
  const subnormals = upload(tensor1d([2 ** -149, -(2 ** -127)]));
  const same = mul(subnormals, 1);
  const values = await readFromDevice(same);
  subnormals.dispose();
  same.dispose();
  return values.every((value) => value === 0);
}

/**
 * A device without memory left. TensorFlow.js does not take back what the kernel has made by then: its output, and
 * the buffer of an input that was being uploaded; and of a matrix product both inputs, which it holds a reference to.
 */
function outOfMemory(): FaultPoint {
  return {
    ...faultPoint(bufferManager(), "acquireBuffer"),
    leaves: { numDataBuffers: 2, inBackend: 3, buffers: 4 },
  };
}

/** Variables whose values are on the device, where reading must be awaited. */
export async function webGpuHarness(technique: "swap" | "stream"): Promise<Harness<TfjsModel, Tensor>> {
  const common = await tfjsHarness("webgpu", technique);
  return {
    ...common,
    make(values) {
      const model = common.make(values) as Model;
      for (const variable of Object.values(model)) upload(variable);
      return model;
    },
    async read(model) {
      const found: Record<string, Float32Array> = {};
      for (const [name, variable] of Object.entries(model as Model)) {
        found[name] = await readFromDevice(variable);
      }
      return found;
    },
    array: (value, shape) => upload(common.array(value, shape)),
    half: (array) => mul(array, 0.5),
    magnitude: (array) => abs(array),
    same: (array) => clone(array),
    countsAtRest() {
      submit();
      return { buffers: bufferManager().numUsedBuffers };
    },
    arithmetic: { roundsProducts: true, addsReversibly: false, flushesSubnormals: await flushesSubnormals() },
    readsLater: true,
    cycles: 100,
    failsUnder: "lists",
    faults: [...common.faults, outOfMemory()],
  };
}
