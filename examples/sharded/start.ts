/** Starts main.ts on several ranks: `npm run example:sharded [-- --ranks 4] [--steps 100] [--sums exact]`. */
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    ranks: { type: "string", default: "4" },
    steps: { type: "string", default: "100" },
    sums: { type: "string", default: "exact" },
  },
});
const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
const main = fileURLToPath(new URL("main.ts", import.meta.url));
const { status, error } = spawnSync(
  "mpirun.openmpi",
  [
    // There may be fewer cores than ranks.
    "--oversubscribe",
    ...(process.getuid?.() === 0 ? ["--allow-run-as-root"] : []),
    "-n",
    values.ranks,
    process.execPath,
    "--import",
    tsx,
    main,
    "--steps",
    values.steps,
    "--sums",
    values.sums,
  ],
  // In containers a process may not read the memory of another; Open MPI tries, and complains.
  { stdio: "inherit", env: { OMPI_MCA_btl_vader_single_copy_mechanism: "none", ...process.env } },
);
if (error !== undefined) {
  console.error(
    `Open MPI did not start (${error.message}). On Debian and Ubuntu: apt-get install openmpi-bin libopenmpi3\n` +
      "One rank needs no launcher, but the library: node --import tsx examples/sharded/main.ts",
  );
}
process.exitCode = status ?? 1;
