/** One process at a time adds to a results file. */
import { beside, codeOf, node, type Process, realPath } from "./files.ts";

/** Locks that this process holds: its number alone may be that of one that is gone, in a container that was started again. */
const held = new Set<string>();

function isRunning(process: Process, pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== "ESRCH";
  }
}

/**
 * Takes a file for this process alone: an empty file beside it is named after the process, and then looked whether there
 * is another one. So of two that begin at the same moment one at least sees the other, and the locks of processes that
 * are gone are nobody's.
 *
 * @returns what gives it back, or the path of the lock of another process
 */
export async function lock(path: string): Promise<(() => Promise<void>) | string> {
  const { disk, paths, process, host } = node();
  const file = await realPath(path);
  const { dir, base } = paths.parse(file);
  const ours = paths.join(dir, `${base}.${process.pid}@${host}.lock`);
  if (held.has(ours)) return ours;
  held.add(ours);
  const release = async (): Promise<void> => {
    held.delete(ours);
    await disk.rm(ours, { force: true });
  };
  try {
    await (await disk.open(ours, "a")).close();
    for (const other of await beside(file)) {
      const [, pid, at] =
        /^\.(\d+)@(.*)\.lock$/.exec(other.startsWith(base) ? other.slice(base.length) : "") ?? [];
      if (pid === undefined || (Number(pid) === process.pid && at === host)) continue;
      const theirs = paths.join(dir, other);
      if (at !== host || isRunning(process, Number(pid))) {
        await release();
        return theirs;
      }
      await disk.rm(theirs, { force: true });
    }
  } catch (error) {
    await release();
    throw error;
  }
  return release;
}
