import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  checkLayout,
  checkRuns,
  flatPadded,
  flatUnit,
  givenRuns,
  LayoutError,
  localLength,
  mesh,
  replicated,
  type Run,
  runsOf,
  shard,
  type ShardLayout,
  solo,
} from "../../src/distributed.ts";
import { checkCoverage } from "../../src/distributed/coverage.ts";
import { elementsOf } from "../../src/distributed/runs.ts";
import { thrownBy } from "../support/thrown.ts";

const shapes = [[7], [1], [3, 5], [10, 4], [4, 3, 5], [2, 3, 4, 5], [], [0, 4], [5, 0]];

const allRuns = (layout: ShardLayout, shape: readonly number[], size: number): readonly (readonly Run[])[] =>
  Array.from({ length: size }, (_, rank) => runsOf(layout, shape, { rank, size }));

/** How often each element is held, counted one by one: what the coverage check must come to. */
function timesHeld(runs: readonly (readonly Run[])[], elements: number): number[] {
  const times = Array<number>(elements).fill(0);
  for (const { global, length } of runs.flat()) for (let i = 0; i < length; i++) times[global + i]!++;
  return times;
}

/** Every element `copies` times, runs in order and inside of the rank's array, counted without our own check. */
function expectWhole(layout: ShardLayout, shape: readonly number[], size: number, copies = 1): void {
  const runs = allRuns(layout, shape, size);
  expect(new Set(timesHeld(runs, elementsOf(shape)))).toEqual(
    new Set(elementsOf(shape) === 0 ? [] : [copies]),
  );
  for (const [rank, own] of runs.entries()) {
    let end = 0;
    for (const { local, length } of own) {
      expect(local).toBeGreaterThanOrEqual(end);
      end = local + length;
    }
    expect(end).toBeLessThanOrEqual(localLength(layout, shape, { rank, size }));
  }
  checkLayout(layout, shape, size);
  checkCoverage(runs, shape);
}

describe("layouts", () => {
  it.each([1, 2, 3, 4, 5, 6])(
    "hold every element once on %i ranks, and replicas as often as they say",
    (size) => {
      for (const shape of shapes) {
        expectWhole(flatPadded(), shape, size);
        expectWhole(replicated(), shape, size, size);
        for (let dim = -shape.length; dim < shape.length; dim++) expectWhole(shard(dim), shape, size);
        for (const offset of [0, 5]) {
          expectWhole(flatUnit({ offset, unitLength: elementsOf(shape) + 9 }), shape, size);
        }
      }
    },
  );

  it("cut as torch.chunk does: rounded up, then short, then empty", () => {
    const lengths = (n: number, size: number): number[] =>
      allRuns(shard(0), [n], size).map((runs) => runs.reduce((sum, { length }) => sum + length, 0));
    expect(lengths(5, 4)).toEqual([2, 2, 1, 0]);
    expect(lengths(10, 4)).toEqual([3, 3, 3, 1]);
    expect(lengths(6, 5)).toEqual([2, 2, 2, 0, 0]);
    expect(lengths(2, 3)).toEqual([1, 1, 0]);
  });

  it("pad a flat tensor to equal parts, and keep the padding out of runs", () => {
    const at = (rank: number): unknown => [
      localLength(flatPadded(), [3, 3], { rank, size: 4 }),
      runsOf(flatPadded(), [3, 3], { rank, size: 4 }),
    ];
    expect([0, 1, 2, 3].map(at)).toEqual([
      [3, [{ global: 0, local: 0, length: 3 }]],
      [3, [{ global: 3, local: 0, length: 3 }]],
      [3, [{ global: 6, local: 0, length: 3 }]],
      [3, []],
    ]);
  });

  it("place the tensors of a flat unit one behind the other", () => {
    // [4] and [3, 2] in a unit of 10, on 3 ranks of 4 each: the last two elements are padding.
    const first = flatUnit({ offset: 0, unitLength: 10 });
    const second = flatUnit({ offset: 4, unitLength: 10 });
    expect(allRuns(first, [4], 3)).toEqual([[{ global: 0, local: 0, length: 4 }], [], []]);
    expect(allRuns(second, [3, 2], 3)).toEqual([
      [],
      [{ global: 0, local: 0, length: 4 }],
      [{ global: 4, local: 0, length: 2 }],
    ]);
    expect(localLength(second, [3, 2], { rank: 2, size: 3 })).toBe(4);
    expect(allRuns(flatUnit({ offset: 3, unitLength: 9 }), [6], 2)).toEqual([
      [{ global: 0, local: 3, length: 2 }],
      [{ global: 2, local: 0, length: 4 }],
    ]);
  });

  it("cut inner dimensions into one run for each outer index", () => {
    expect(runsOf(shard(1), [3, 5], { rank: 1, size: 2 })).toEqual([
      { global: 3, local: 0, length: 2 },
      { global: 8, local: 2, length: 2 },
      { global: 13, local: 4, length: 2 },
    ]);
    expect(runsOf(shard(1), [2, 4, 3], { rank: 1, size: 2 })).toEqual([
      { global: 6, local: 0, length: 6 },
      { global: 18, local: 6, length: 6 },
    ]);
    expectWhole(shard(1, [1, 4, 0]), [3, 5], 3);
  });

  it("agree with PyTorch about grids, from either side", () => {
    const grid = [
      { size: 2, layout: shard(0) },
      { size: 2, layout: shard(0) },
    ];
    const rows = (layout: ShardLayout): string[] =>
      allRuns(layout, [8, 8], 4).map(([run]) => `${run!.global / 8}-${(run!.global + run!.length) / 8 - 1}`);
    expect(rows(mesh(grid))).toEqual(["0-1", "2-3", "4-5", "6-7"]);
    // The table in the documentation of `_StridedShard`.
    expect(rows(mesh(grid, { cutOrder: [1, 0] }))).toEqual(["0-1", "4-5", "2-3", "6-7"]);
    for (const shape of [
      [7, 6],
      [10, 4],
      [3, 9],
    ]) {
      expectWhole(
        mesh([
          { size: 2, layout: shard(0) },
          { size: 2, layout: shard(1) },
        ]),
        shape,
        4,
      );
      expectWhole(
        mesh([
          { size: 2, layout: replicated() },
          { size: 3, layout: shard(0) },
        ]),
        shape,
        6,
        2,
      );
      expectWhole(
        mesh([
          { size: 2, layout: shard(0) },
          { size: 3, layout: shard(0) },
        ]),
        shape,
        6,
      );
    }
  });

  it("are frozen, and read only once", () => {
    const sizes = [2, 3];
    const layout = shard(0, sizes);
    sizes[0] = 5;
    expect(layout.sizes).toEqual([2, 3]);
    expect(Object.isFrozen(layout)).toBe(true);
    expect(Object.isFrozen(mesh([]).axes)).toBe(true);
  });
});

describe("a wrong layout", () => {
  it.each([
    ["a dimension that is not there", shard(2), [3, 5], 2, /no dimension 2/],
    ["a dimension of a scalar", shard(0), [], 2, /no dimension 0/],
    ["sizes for other ranks", shard(0, [3]), [3], 2, /1 sizes and 2 ranks/],
    ["a unit that ends before the tensor", flatUnit({ offset: 6, unitLength: 10 }), [5], 2, /from 6 on/],
    ["a grid of other ranks", mesh([{ size: 3, layout: shard(0) }]), [3], 2, /not 2 ranks/],
    ["runs for other ranks", givenRuns([[]]), [0], 2, /runs for 1 ranks/],
  ] as const)("is refused: %s", (_, layout, shape, size, message) => {
    const error = thrownBy(() => checkLayout(layout, shape, size));
    expect(error).toBeInstanceOf(RangeError);
    expect((error as Error).message).toMatch(message);
  });

  it("names the first element that a cut leaves out, or has too many", () => {
    const short = thrownBy(() => checkLayout(shard(1, [2, 2]), [3, 5], 2));
    expect(short).toMatchObject({ code: "bad_layout", element: 4, ranks: [] });
    const long = thrownBy(() => checkLayout(shard(0, [2, 2]), [3, 5], 2));
    expect(long).toMatchObject({ code: "bad_layout", element: 15, ranks: [1] });
  });

  it("names the first element of runs by hand that is held wrongly, and by whom", () => {
    const run = (global: number, length: number): Run[] => [{ global, local: 0, length }];
    const gap = givenRuns([run(0, 4), run(5, 7)]);
    expect(thrownBy(() => checkLayout(gap, [3, 4], 2))).toMatchObject({ element: 4, ranks: [] });
    const overlap = givenRuns([run(0, 6), run(5, 7)]);
    expect(thrownBy(() => checkLayout(overlap, [3, 4], 2))).toMatchObject({ element: 5, ranks: [0, 1] });
    const outside = givenRuns([run(0, 12), run(12, 1)]);
    expect(thrownBy(() => checkLayout(outside, [3, 4], 2))).toMatchObject({ element: 12, ranks: [1] });
    const halfReplicated = givenRuns([run(0, 12), run(0, 8)]);
    expect(thrownBy(() => checkLayout(halfReplicated, [3, 4], 2))).toBeInstanceOf(LayoutError);
    expect(thrownBy(() => checkLayout(givenRuns([[], []]), [3, 4], 2))).toMatchObject({ element: 0 });
    checkLayout(givenRuns([run(0, 12), run(0, 12)]), [3, 4], 2);
    checkLayout(givenRuns([[], []]), [0, 4], 2);
  });

  it("is found wherever runs are not what counting one by one says", () => {
    const anyRuns = fc.array(
      fc.array(fc.record({ global: fc.nat(9), length: fc.integer({ min: 1, max: 6 }) }), { maxLength: 3 }),
      { minLength: 1, maxLength: 3 },
    );
    fc.assert(
      fc.property(anyRuns, (lists) => {
        const runs = lists.map((own) => {
          let local = 0;
          return own.map(({ global, length }) => {
            const run = { global, local, length: Math.min(length, 10 - global) };
            local += run.length;
            return run;
          });
        });
        const times = timesHeld(runs, 10);
        const isWhole = times[0]! > 0 && times.every((n) => n === times[0]);
        if (isWhole) return checkCoverage(runs, [10]);
        const error = thrownBy(() => checkCoverage(runs, [10])) as LayoutError;
        const meant = Math.max(1, Math.round(times.reduce((sum, n) => sum + n, 0) / 10));
        expect(error.element).toBe(times.findIndex((n) => n !== meant));
      }),
    );
  });

  it("is found by digests as it is by counting", () => {
    const comm = solo();
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 6 }),
        fc.boolean(),
        (lengths, isRight) => {
          // Runs in the order of the shard, which need not be that of the parameter: here it is turned around.
          const elements = lengths.reduce((sum, n) => sum + n, 0);
          let local = 0;
          const runs = lengths.map((length) => {
            const run = { global: elements - local - length, local, length };
            local += length;
            return run;
          });
          if (isRight) return checkRuns(comm, { shape: [elements], runs });
          const error = thrownBy(() => checkRuns(comm, { shape: [elements + 1], runs }));
          expect(error).toMatchObject({ code: "bad_layout", element: elements });
        },
      ),
    );
  });

  it.each([
    [
      "an offset that is none",
      () => flatUnit({ offset: -1, unitLength: 3 }),
      RangeError,
      /offset must be an integer/,
    ],
    [
      "a length that is no number",
      () => flatUnit({ offset: 0, unitLength: "3" as never }),
      TypeError,
      /unitLength/,
    ],
    ["a dimension that is no number", () => shard("0" as never), TypeError, /dim must be a number/],
    ["half a dimension", () => shard(0.5), RangeError, /integer/],
    ["sizes that are no list", () => shard(0, 3 as never), TypeError, /must be a list/],
    ["a negative size", () => shard(0, [1, -1]), RangeError, /sizes\[1\]/],
    ["an axis without a layout", () => mesh([{ size: 2 } as never]), TypeError, /axis 0/],
    ["flat axes", () => mesh([{ size: 2, layout: flatPadded() as never }]), TypeError, /axis 0/],
    [
      "a cut along no axis",
      () => mesh([{ size: 2, layout: shard(0) }], { cutOrder: [1] }),
      RangeError,
      /each of/,
    ],
    ["an empty run", () => givenRuns([[{ global: 0, local: 0, length: 0 }]]), RangeError, /length of run 0/],
    [
      "runs over one another in the shard",
      () =>
        givenRuns([
          [
            { global: 0, local: 0, length: 2 },
            { global: 2, local: 1, length: 2 },
          ],
        ]),
      RangeError,
      /in the order of local/,
    ],
    [
      "a shape that is none",
      () => runsOf(flatPadded(), [2.5], { rank: 0, size: 1 }),
      RangeError,
      /shape\[0\]/,
    ],
    [
      "a rank that is none",
      () => runsOf(flatPadded(), [2], { rank: 2, size: 2 }),
      RangeError,
      /less than size/,
    ],
  ])("is refused when it is made: %s", (_, run, type, message) => {
    const error = thrownBy(run);
    expect(error).toBeInstanceOf(type);
    expect((error as Error).message).toMatch(message);
  });
});
