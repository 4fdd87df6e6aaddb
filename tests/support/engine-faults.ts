/** What can fail in the TensorFlow.js engine while a theater opens or closes. */
import { engine, Tensor } from "@tensorflow/tfjs-core";
import { type FaultPoint, faultPoint } from "./failing.ts";

/** The engine's operations that a theater uses, each of which can be made to fail. */
export function engineFaults(): readonly FaultPoint[] {
  return [
    // What `runKernel` calls: the store itself may have hooked that one.
    faultPoint(engine() as unknown as { runKernelFunc: unknown }, "runKernelFunc"),
    faultPoint(engine(), "makeTensor"),
    // Not within a kernel or at the end of a scope: there the engine itself does not clean up after a failure.
    faultPoint(engine(), "makeTensorFromTensorInfo", ({ state }) => state.kernelDepth === 0),
    faultPoint(Tensor.prototype, "dispose", ({ kept }) => kept),
  ];
}
