/** A communicator whose requests may have a few elements only, instead of 2^31: the same code cuts larger arrays. */
import { Group } from "../../src/distributed/group.ts";
import { launcherOf } from "../../src/distributed/mpi/launcher.ts";
import { loadKoffi, loadLibrary } from "../../src/distributed/mpi/library.ts";
import { Runtime } from "../../src/distributed/mpi/runtime.ts";
import { MpiTransport } from "../../src/distributed/mpi/transport.ts";
import { Watchdog } from "../../src/distributed/mpi/watchdog.ts";
import { checkCollectives } from "./checks.ts";

/** Instead of `mpi()`, which starts MPI once. */
export async function checkChunked(mostElements: number): Promise<void> {
  const koffi = await loadKoffi();
  const library = loadLibrary(koffi, launcherOf(process.env), undefined);
  const runtime = new Runtime(koffi, library, await Watchdog.start());
  runtime.start(10_000);
  await checkCollectives(
    new Group(new MpiTransport(runtime, runtime.abi.world, 10_000, mostElements), 10_000),
    300,
  );
  runtime.finalize(10_000);
}
