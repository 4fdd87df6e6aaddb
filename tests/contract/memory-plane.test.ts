import { storeContract } from "./contract.ts";
import { memoryHarness } from "./memory-harness.ts";

storeContract("memory", memoryHarness("plane", 100));
