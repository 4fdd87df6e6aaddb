import { storeContract } from "./contract.ts";
import { tfjsHarness } from "./tfjs-harness.ts";

storeContract("TensorFlow.js on wasm", await tfjsHarness("wasm", "swap"));
