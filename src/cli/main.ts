#!/usr/bin/env node
import { run } from "./program.ts";

// Who reads the output may stop reading (`| head`). What is computed goes on, and only what is said is lost.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

process.exitCode = await run(process.argv.slice(2));
