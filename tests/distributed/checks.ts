/** What every communicator must do, whatever carries it. Called by all ranks. */
import assert from "node:assert/strict";
import type { Communicator, Sendable } from "../../src/distributed.ts";

type Constructor = new (length: number) => Sendable;

const types: readonly Constructor[] = [
  Float32Array,
  Float64Array,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  BigInt64Array,
  BigUint64Array,
];

/** `length` small numbers that tell rank and position. */
function filled<T extends Sendable>(like: new (length: number) => T, length: number, rank: number): T {
  const array = new like(length);
  const big = array instanceof BigInt64Array || array instanceof BigUint64Array;
  for (let i = 0; i < length; i++) {
    const value = (rank + 1) * 5 + (i % 3);
    (array as unknown as (number | bigint)[])[i] = big ? BigInt(value) : value;
  }
  return array;
}

const listOf = (array: Sendable): number[] => Array.from(array as ArrayLike<number | bigint>, Number);

/** Uneven counts, the last rank without any where there are several. */
export function unevenCounts(size: number): number[] {
  return Array.from({ length: size }, (_, rank) => (rank === size - 1 && size > 1 ? 0 : 2 * rank + 1));
}

export async function checkCollectives(comm: Communicator, large = 300_000): Promise<void> {
  for (const type of types) checkType(comm, type);
  checkReductions(comm);
  await checkAsync(comm, large);
  await checkSplit(comm);
  checkMemory(comm);
  await checkArguments(comm);
  comm.barrier();
}

function checkType(comm: Communicator, type: Constructor): void {
  const { rank, size } = comm;
  const root = size - 1;
  const counts = unevenCounts(size);
  const own = filled(type, counts[rank]!, rank);
  const whole = counts.flatMap((count, each) => listOf(filled(type, count, each)));

  assert.deepEqual(listOf(comm.broadcast(filled(type, 4, rank), { root })), listOf(filled(type, 4, root)));
  const gathered = comm.allGather(own, { counts });
  assert.equal(gathered.constructor, type);
  assert.deepEqual(listOf(gathered), whole);
  const atRoot = comm.gather(own, { counts, root });
  assert.deepEqual(atRoot && listOf(atRoot), rank === root ? whole : undefined);
  const into = new type(counts[rank]!);
  assert.equal(comm.scatter(into, { counts, root, ...(atRoot && { from: atRoot }) }), into);
  assert.deepEqual(listOf(into), listOf(own));
  // Equal parts need no counts.
  const even = Array.from({ length: size }, (_, each) => listOf(filled(type, 2, each))).flat();
  assert.deepEqual(listOf(comm.allGather(filled(type, 2, rank))), even);

  const values = filled(type, 3, rank);
  const others = Array.from({ length: size }, (_, each) => listOf(filled(type, 3, each)));
  const sums = others[0]!.map((_, i) => others.reduce((sum, list) => sum + list[i]!, 0));
  const result = new type(3);
  assert.equal(comm.allReduce(values, { into: result }), result);
  assert.deepEqual(listOf(result), sums);
  assert.deepEqual(listOf(values), others[rank]); // untouched
  assert.equal(comm.allReduce(values), values);
  assert.deepEqual(listOf(values), sums);
}

function checkReductions(comm: Communicator): void {
  const { rank, size } = comm;
  assert.deepEqual([...comm.allReduce(Int32Array.of(rank, -rank), { reduction: "max" })], [size - 1, 0]);
  const smallest = comm.allReduce(Float64Array.of(rank, -rank), { reduction: "min" });
  assert.equal(smallest[1]! + 0, 1 - size); // −0 on one rank
  const counts = unevenCounts(size);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const start = counts.slice(0, rank).reduce((sum, count) => sum + count, 0);
  const values = Float32Array.from({ length: total }, (_, i) => i + rank);
  const own = comm.reduceScatter(values, { counts });
  const ranks = (size * (size - 1)) / 2;
  assert.deepEqual(
    [...own],
    Array.from({ length: counts[rank]! }, (_, i) => (start + i) * size + ranks),
  );
  const most = comm.reduceScatter(
    Float32Array.from({ length: size }, () => rank),
    { reduction: "max" },
  );
  assert.deepEqual([...most], [size - 1]);
  // Bits travel as they are: NaN payloads and signed zeros.
  const bits = Uint32Array.of(0x7f800001, 0x80000000, 0xffc12345, 1);
  const moved = new Uint32Array(comm.broadcast(new Float32Array(bits.buffer.slice(0))).buffer);
  assert.deepEqual([...moved], [...bits]);
}

async function checkAsync(comm: Communicator, many: number): Promise<void> {
  const { rank, size } = comm;
  // Several at once: they are started in the order of the calls, on every rank.
  const [, sum, all, large] = await Promise.all([
    comm.barrierAsync(),
    comm.allReduceAsync(Float64Array.of(1)),
    comm.allGatherAsync(Int16Array.of(rank)),
    comm.broadcastAsync(new Float64Array(many).fill(rank), { root: size - 1 }),
  ]);
  assert.equal(sum[0], size);
  assert.deepEqual([...all], [...Array(size).keys()]);
  assert.equal(large.at(-1), size - 1);
  const part = await comm.reduceScatterAsync(new Float32Array(size).fill(1));
  const gathered = await comm.gatherAsync(part);
  assert.deepEqual(gathered && [...gathered], rank === 0 ? Array(size).fill(size) : undefined);
  const back = await comm.scatterAsync(new Float32Array(1), gathered ? { from: gathered } : {});
  assert.equal(back[0], size);
}

async function checkSplit(comm: Communicator): Promise<void> {
  const { rank, size } = comm;
  using half = comm.split(rank % 2, { key: -rank });
  assert.equal(half!.size, Math.ceil((size - (rank % 2)) / 2));
  assert.equal(half!.rank, half!.size - 1 - Math.floor(rank / 2)); // the keys turn the order around
  assert.equal(half!.deadline, comm.deadline);
  const members = half!.allGather(Int32Array.of(rank));
  assert.ok(members.every((member) => member % 2 === rank % 2));
  half!.free();
  half!.free();
  assert.throws(() => half!.barrier(), { code: "communicator_closed" });
  const none = await comm.splitAsync(rank === 0 ? undefined : 1);
  assert.equal(none?.size, rank === 0 ? undefined : size - 1);
  none?.free();
}

/** Views with an offset, shared memory, and many small arrays. */
function checkMemory(comm: Communicator): void {
  const { rank, size } = comm;
  const buffer = new Float32Array(10).fill(-1);
  comm.broadcast(buffer.subarray(3, 5).fill(rank));
  assert.deepEqual([...buffer], [-1, -1, -1, 0, 0, -1, -1, -1, -1, -1]);
  const shared = new Int32Array(new SharedArrayBuffer(8)).fill(1);
  assert.deepEqual([...comm.allReduce(shared)], [size, size]);
  for (let i = 0; i < 200; i++) assert.equal(comm.allReduce(Float32Array.of(i))[0], i * size);
}

/** Wrong arguments throw on the rank that gives them, before anything is sent. */
async function checkArguments(comm: Communicator): Promise<void> {
  const { rank, size } = comm;
  const values = new Float32Array(4);
  const wrong = (run: () => unknown, error: typeof TypeError | typeof RangeError, message: RegExp): void =>
    assert.throws(run, (thrown: Error) => thrown instanceof error && message.test(thrown.message));
  wrong(() => comm.allReduce([1, 2] as never), TypeError, /values must be a typed array.*an array of 2/);
  wrong(() => comm.allReduce(new DataView(new ArrayBuffer(4)) as never), TypeError, /typed array/);
  wrong(() => comm.allReduce(values, { into: new Float64Array(4) as never }), TypeError, /a Float32Array/);
  wrong(() => comm.allReduce(values, { into: new Float32Array(3) }), RangeError, /4 elements, got 3/);
  wrong(() => comm.allReduce(values, { into: values }), RangeError, /shares memory/);
  wrong(() => comm.allReduce(values, { reduction: "product" as never }), TypeError, /"sum", "min" or "max"/);
  wrong(() => comm.allReduce(values, { reductoin: "sum" } as never), TypeError, /Did you mean "reduction"/);
  wrong(() => comm.allReduce(values, { deadline: 0 }), RangeError, /above 0/);
  wrong(() => comm.allReduce(values, { deadline: Infinity }), RangeError, /at most/);
  wrong(() => comm.barrier({ deadline: "1" as never }), TypeError, /milliseconds/);
  wrong(() => comm.broadcast(values, { root: size }), RangeError, /less than/);
  wrong(() => comm.broadcast(values, { root: -1 }), RangeError, /0 or more/);
  wrong(() => comm.allGather(values, { counts: Array(size + 1).fill(4) }), RangeError, /for each of/);
  wrong(() => comm.allGather(values, { counts: Array(size).fill(3) }), RangeError, /part must have 3/);
  wrong(() => comm.allGather(values, { counts: Array(size).fill(0.5) }), RangeError, /integer/);
  wrong(() => comm.reduceScatter(new Float32Array(4 * size + 1), { counts: [] }), RangeError, /counts/);
  wrong(() => comm.scatter(values, { root: rank }), TypeError, /from, on the root/);
  wrong(() => comm.split(-1), RangeError, /color/);
  wrong(() => comm.split(0, { key: 0.5 }), RangeError, /key/);
  await assert.rejects(comm.allReduceAsync([] as never), TypeError);
  if (size > 1) wrong(() => comm.reduceScatter(new Float32Array(size + 1)), RangeError, /Give counts/);
}
