import { storeContract } from "./contract.ts";
import { memoryHarness } from "./memory-harness.ts";

storeContract("memory", memoryHarness("reversible", 10_000));
