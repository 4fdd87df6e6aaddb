import { storeContract } from "./contract.ts";
import { jaxHarness } from "./jax-harness.ts";

storeContract("jax-js on wasm", await jaxHarness("wasm"));
