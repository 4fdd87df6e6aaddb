import { storeContract } from "./contract.ts";
import { tfjsHarness } from "./tfjs-harness.ts";

storeContract("TensorFlow.js on cpu", await tfjsHarness("cpu", "stream"));
