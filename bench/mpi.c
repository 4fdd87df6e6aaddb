/* What a C program does, timed where it is called; each blocking, and started and waited for. See mpi.ts. */
#include <mpi.h>

static MPI_Request request;

static double since(double begin) { return MPI_Wtime() - begin; }

static double waited(double begin) {
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  return since(begin);
}

double c_all_reduce(const float *values, float *into, int count) {
  double begin = MPI_Wtime();
  MPI_Allreduce(values, into, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
  return since(begin);
}

double c_all_reduce_started(const float *values, float *into, int count) {
  double begin = MPI_Wtime();
  MPI_Iallreduce(values, into, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD, &request);
  return waited(begin);
}

double c_reduce_scatter(const float *values, float *into, const int *counts) {
  double begin = MPI_Wtime();
  MPI_Reduce_scatter(values, into, counts, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
  return since(begin);
}

double c_reduce_scatter_started(const float *values, float *into, const int *counts) {
  double begin = MPI_Wtime();
  MPI_Ireduce_scatter(values, into, counts, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD, &request);
  return waited(begin);
}

double c_all_gather(const float *part, int count, float *into, const int *counts, const int *starts) {
  double begin = MPI_Wtime();
  MPI_Allgatherv(part, count, MPI_FLOAT, into, counts, starts, MPI_FLOAT, MPI_COMM_WORLD);
  return since(begin);
}

double c_all_gather_started(const float *part, int count, float *into, const int *counts, const int *starts) {
  double begin = MPI_Wtime();
  MPI_Iallgatherv(part, count, MPI_FLOAT, into, counts, starts, MPI_FLOAT, MPI_COMM_WORLD, &request);
  return waited(begin);
}
