/**
 * One way to get a TensorFlow.js engine in tests: it either runs on the backend you name or throws.
 * TensorFlow.js alone would fall back to another backend and let the test pass there.
 */
import { existsSync } from "node:fs";

/** The backends every machine can run. `webgpu` needs system parts and has its own test project. */
export const backends = ["cpu", "wasm"] as const;

export type BackendName = (typeof backends)[number] | "webgpu";
export type TensorFlow = typeof import("@tensorflow/tfjs-core");

/** Where Debian's chromium package keeps the software Vulkan driver that Dawn accepts. */
const softwareDriver = "/usr/lib/chromium/vk_swiftshader_icd.json";

/**
 * Environment that makes the Vulkan loader pick the software driver; empty where there is none, or where
 * another driver was chosen. The loader reads it once, when the process first asks for a device.
 */
export function softwareVulkan(): Record<string, string> {
  if (process.env["VK_ICD_FILENAMES"] !== undefined || !existsSync(softwareDriver)) return {};
  // XDG_RUNTIME_DIR only silences the loader.
  return { VK_ICD_FILENAMES: softwareDriver, XDG_RUNTIME_DIR: process.env["XDG_RUNTIME_DIR"] ?? "/tmp" };
}

/** Dawn's device dies with the object that `create` returned: this keeps it alive. */
let gpu: GPU | undefined;

/**
 * Import TensorFlow.js, make `name` its backend, and return the module.
 *
 * Every import of `@tensorflow/tfjs-core`, `-layers` or `@tensorflow/tfjs` shares this one engine.
 * @throws Error if the backend cannot run here; it never falls back to another one.
 */
export async function useBackend(name: BackendName): Promise<TensorFlow> {
  silenceKnownNoise();
  if (name === "webgpu") await provideWebGpu();
  const tf = await import("@tensorflow/tfjs-core");
  // The whole package, as users import it: it adds `tensor.mul(…)` and its like, which layers call inside.
  await import("@tensorflow/tfjs");
  await loadBackend(name);
  if (!(await tf.setBackend(name))) {
    throw new Error(`TensorFlow.js cannot run its ${name} backend here. ${hint(name)}`);
  }
  await tf.ready();
  if (tf.getBackend() !== name) {
    throw new Error(`Asked TensorFlow.js for ${name}, got ${tf.getBackend()}. ${hint(name)}`);
  }
  return tf;
}

/**
 * Whether `name` runs here, for `describe.skipIf(!(await backendRuns("webgpu")))`.
 *
 * Where engines are required (`CI=true` or `REQUIRE_ENGINES=1`) a missing one is an error, not a skip.
 */
export function backendRuns(name: BackendName): Promise<boolean> {
  return engineRuns(name, () => useBackend(name));
}

/** Whether `start` starts the engine `name`, as {@link backendRuns} tells. */
export async function engineRuns(name: string, start: () => Promise<unknown>): Promise<boolean> {
  try {
    await start();
    return true;
  } catch (error) {
    if (enginesRequired()) throw error;
    console.warn(`Skipping tests on ${name}: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

/** Whether a missing engine is an error: `CI=true` or `REQUIRE_ENGINES=1`. */
export function enginesRequired(): boolean {
  return process.env["CI"] === "true" || process.env["REQUIRE_ENGINES"] === "1";
}

function loadBackend(name: BackendName): Promise<unknown> {
  switch (name) {
    case "cpu":
      return import("@tensorflow/tfjs-backend-cpu");
    case "wasm":
      return import("@tensorflow/tfjs-backend-wasm");
    case "webgpu":
      return import("@tensorflow/tfjs-backend-webgpu");
  }
}

/** Give Node the WebGPU globals of a browser. Must happen before the webgpu backend is imported. */
export async function provideWebGpu(): Promise<void> {
  if (gpu !== undefined) return;
  Object.assign(process.env, softwareVulkan());
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals);
  gpu = create([]);
  Object.defineProperty(globalThis, "navigator", {
    value: { gpu, userAgent: "node", hardwareConcurrency: 2 },
    configurable: true,
  });
  if ((await gpu.requestAdapter()) === null) {
    gpu = undefined;
    throw new Error(`WebGPU found no adapter. ${hint("webgpu")}`);
  }
}

function hint(name: BackendName): string {
  return name === "webgpu" ? "Run `node scripts/system-parts.mjs` to see what to install." : "Run `npm ci`.";
}

/** Warnings that say nothing about the test: an advert, double registration, a slow initializer. */
const noise = /Hi, looks like you are running TensorFlow\.js in Node\.js|already registered|Orthogonal/;

let silenced = false;

function silenceKnownNoise(): void {
  if (silenced) return;
  silenced = true;
  const warn = console.warn.bind(console);
  console.warn = (...args: unknown[]): void => {
    if (!(typeof args[0] === "string" && noise.test(args[0]))) warn(...args);
  };
}
