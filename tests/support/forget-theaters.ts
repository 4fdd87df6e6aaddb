/** Opens two theaters, closes one, forgets both, and lets the garbage collector find out. */
import { setTimeout } from "node:timers/promises";
import { scale, surgicalTheater } from "../../src/index.ts";

const models = [{ kernel: Float32Array.of(1) }, { kernel: Float32Array.of(1) }];
const halved = { modification: scale(0.5), layers: "all" };

function forgetOne(): void {
  surgicalTheater(models[0]!, halved);
}

function closeOne(): void {
  surgicalTheater(models[1]!, halved).close();
}

forgetOne();
closeOne();
for (let i = 0; i < 5; i++) {
  globalThis.gc!();
  await setTimeout(10);
}
