/** Who started this process, by the environment it was given. */

/** `none`: started by hand, alone. */
export interface Launcher {
  readonly kind: "openmpi" | "mpich" | "pmix" | "none";
  /** How many processes it has started, where it says. */
  readonly size: number | undefined;
}

export function launcherOf(env: Readonly<Record<string, string | undefined>>): Launcher {
  const size = (name: string): number | undefined => {
    const value = Number(env[name]);
    return env[name] !== undefined && Number.isSafeInteger(value) && value > 0 ? value : undefined;
  };
  if (env["OMPI_COMM_WORLD_SIZE"] !== undefined) {
    return { kind: "openmpi", size: size("OMPI_COMM_WORLD_SIZE") };
  }
  // Hydra (MPICH, Intel MPI) and srun --mpi=pmi2
  if (env["PMI_SIZE"] !== undefined) return { kind: "mpich", size: size("PMI_SIZE") };
  if (env["PMIX_RANK"] !== undefined) return { kind: "pmix", size: size("SLURM_NTASKS") };
  return { kind: "none", size: 1 };
}
