import { describe, expect, it } from "vitest";
import {
  agree,
  agreeAsync,
  agreeOn,
  agreeOnAsync,
  checkRuns,
  checkRunsAsync,
  mpi,
  solo,
  UnsupportedError,
} from "../../src/distributed.ts";
import { drive, driveAsync } from "../../src/drive.ts";
import { launcherOf } from "../../src/distributed/mpi/launcher.ts";
import { loadLibrary } from "../../src/distributed/mpi/library.ts";
import { counted, pieces } from "../../src/distributed/pieces.ts";
import { thrownBy } from "../support/thrown.ts";
import { checkCollectives } from "./checks.ts";

describe("mpi", () => {
  it("can be tried again where there was no library", async () => {
    await expect(mpi({ library: "/none.so" })).rejects.toMatchObject({ code: "engine" });
    await expect(mpi({ library: "/none either.so" })).rejects.toThrow("/none either.so");
  });
});

describe("solo", () => {
  it("does what every communicator does", async () => {
    const comm = solo();
    await checkCollectives(comm);
    expect([comm.rank, comm.size, comm.deadline, comm.bytesMoved]).toEqual([0, 1, 60_000, 0]);
  });

  it("is closed when it is freed, by whatever means", async () => {
    const comm = solo({ deadline: 5 });
    expect(comm.deadline).toBe(5);
    comm.free();
    comm.free();
    expect(thrownBy(() => comm.barrier())).toMatchObject({ code: "communicator_closed" });
    await expect(comm.allReduceAsync(new Float32Array(1))).rejects.toMatchObject({
      code: "communicator_closed",
    });
    let inner;
    {
      using disposed = solo();
      inner = disposed;
    }
    expect(thrownBy(() => inner.split(0))).toMatchObject({ code: "communicator_closed" });
  });

  it("refuses options that make no sense", () => {
    expect(() => solo({ deadline: -1 })).toThrow(RangeError);
    expect(() => solo({ deadlin: 1 } as never)).toThrow(/Did you mean "deadline"/);
  });

  it("serves generators in both forms", async () => {
    const { collectives } = solo();
    function* mean(values: Float64Array) {
      const [sum] = yield* collectives.allReduce(values);
      yield* collectives.barrier();
      return sum! / 1;
    }
    expect(drive(mean(Float64Array.of(3)))).toBe(3);
    expect(await driveAsync(mean(Float64Array.of(4)))).toBe(4);
  });

  it("agrees with itself, and throws its own error as it is", async () => {
    const comm = solo();
    agree(comm);
    await agreeAsync(comm);
    agreeOn(comm, { seed: "1" });
    await agreeOnAsync(comm, {});
    await checkRunsAsync(comm, { shape: [0], runs: [] });
    const error = new Error("mine");
    expect(thrownBy(() => agree(comm, error))).toBe(error);
    await expect(agreeAsync(comm, error)).rejects.toBe(error);
    const run = { global: 0, local: 0, length: 3 };
    expect(() => checkRuns(comm, { shape: [3], runs: [run], localLength: 2 })).toThrow(/has 2 elements/);
  });
});

describe("requests", () => {
  it("are as many as the library can count", () => {
    expect(pieces(7, 3)).toEqual([
      [0, 3],
      [3, 6],
      [6, 7],
    ]);
    expect(counted([2, 0, 1], 0, 3)).toHaveLength(1);
    expect(counted([2, 0, 3], 2, 2)).toEqual([
      { counts: Int32Array.of(2, 0, 0), all: [0, 2], own: [0, 0] },
      { counts: Int32Array.of(0, 0, 2), all: [2, 4], own: [0, 2] },
      { counts: Int32Array.of(0, 0, 1), all: [4, 5], own: [2, 3] },
    ]);
    const large = counted([2 ** 31, 5], 1, 2 ** 31 - 1);
    expect(large.map(({ counts }) => [...counts])).toEqual([
      [2 ** 31 - 1, 0],
      [1, 0],
      [0, 5],
    ]);
  });
});

describe("without a launcher or a library", () => {
  it("knows launchers by their environment", () => {
    expect(launcherOf({})).toEqual({ kind: "none", size: 1 });
    expect(launcherOf({ OMPI_COMM_WORLD_SIZE: "4", PMI_SIZE: "2" })).toEqual({ kind: "openmpi", size: 4 });
    expect(launcherOf({ PMI_SIZE: "2" })).toEqual({ kind: "mpich", size: 2 });
    expect(launcherOf({ PMIX_RANK: "0", SLURM_NTASKS: "8" })).toEqual({ kind: "pmix", size: 8 });
    expect(launcherOf({ PMIX_RANK: "0" })).toEqual({ kind: "pmix", size: undefined });
    expect(launcherOf({ PMI_SIZE: "many" })).toEqual({ kind: "mpich", size: undefined });
  });

  it("says what to install", () => {
    const koffi = {
      load(name: string | null): never {
        throw new Error(`${name}: cannot open shared object file`);
      },
    };
    for (const path of [undefined, "/opt/mpi/libmpi.so"]) {
      const error = thrownBy(() => loadLibrary(koffi, { kind: "mpich", size: 2 }, path));
      expect(error).toBeInstanceOf(UnsupportedError);
      expect(error).toMatchObject({ code: "engine" });
      expect((error as Error).message).toMatch(/npm install koffi/);
      expect((error as Error).message).toMatch(/apt-get install openmpi-bin libopenmpi3/);
      expect((error as Error).message).toMatch(/apt-get install mpich/);
      expect((error as Error).message).toContain(path ?? "libmpich.so.12, libmpi.so.12");
    }
  });

  it("refuses options that make no sense before it loads anything", async () => {
    await expect(mpi({ deadline: Number.NaN })).rejects.toThrow(RangeError);
    await expect(mpi({ library: 5 as never })).rejects.toThrow(/library must be a path/);
    await expect(mpi({ deadlines: 5 } as never)).rejects.toThrow(/Did you mean "deadline"/);
  });
});
