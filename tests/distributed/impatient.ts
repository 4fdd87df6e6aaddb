/** All ranks, with a deadline that is too short to start MPI in. */
import type { Communicator } from "../../src/distributed.ts";
import { Group } from "../../src/distributed/group.ts";
import { launcherOf } from "../../src/distributed/mpi/launcher.ts";
import { loadKoffi, loadLibrary } from "../../src/distributed/mpi/library.ts";
import { Runtime } from "../../src/distributed/mpi/runtime.ts";
import { MpiTransport } from "../../src/distributed/mpi/transport.ts";
import { Watchdog } from "../../src/distributed/mpi/watchdog.ts";

const STARTING = 20_000;

/** Instead of `mpi()`, which starts MPI once and takes one deadline for both. Ranks begin at the same moment. */
export async function impatient(deadline: number): Promise<Communicator> {
  const koffi = await loadKoffi();
  const library = loadLibrary(koffi, launcherOf(process.env), undefined);
  const runtime = new Runtime(koffi, library, await Watchdog.start());
  runtime.start(STARTING);
  const comm = new Group(new MpiTransport(runtime, runtime.abi.world, STARTING), deadline);
  comm.barrier({ deadline: STARTING });
  return comm;
}
