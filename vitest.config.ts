import { defineConfig } from "vitest/config";
import { softwareVulkan } from "./tests/support/tensorflow.ts";

export default defineConfig({
  test: {
    pool: "forks",
    coverage: { provider: "v8", include: ["src/**/*.ts"], reporter: ["text", "lcov"] },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["tests/**/*.test.ts"],
          exclude: ["tests/webgpu/**", "tests/browser/**", "tests/package/**"],
          // Left alone, vitest keeps one of two cores for itself.
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "webgpu",
          include: ["tests/webgpu/**/*.test.ts"],
          // Forks, not threads: a thread's `process.env` is a copy that the Vulkan loader never sees.
          // One at a time: the software driver uses every core itself.
          env: softwareVulkan(),
          maxWorkers: 1,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "browser",
          include: ["tests/browser/**/*.test.ts"],
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: "package",
          include: ["tests/package/**/*.test.ts"],
          globalSetup: ["tests/package/global-setup.ts"],
          maxWorkers: 2,
          testTimeout: 300_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
