import { storeContract } from "./contract.ts";
import { memoryHarness } from "./memory-harness.ts";

storeContract("memory", memoryHarness("copy", 1_000));
