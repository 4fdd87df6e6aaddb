/**
 * Every mistake is refused with an error that names the thing, tells the state of the model and, where there is
 * one, the remedy; and leaves the model as it was, with nothing open and nothing leaked.
 */
import { describe, expect, it } from "vitest";
import { useDevices } from "../support/jax.ts";
import { useBackend } from "../support/tensorflow.ts";
import { asItWas, type Case } from "./cases.ts";
import { customCases } from "./custom.ts";
import { layerCases } from "./layers.ts";
import { lifetimeCases } from "./lifetime.ts";
import { modelCases } from "./models.ts";
import { modificationCases } from "./modifications.ts";
import { optionCases } from "./options.ts";
import { jaxSubject, memorySubject, type Subject, tfjsSubject } from "./subjects.ts";

const tables: readonly (readonly [string, readonly Case[]])[] = [
  ["options", optionCases],
  ["layers", layerCases],
  ["modifications", modificationCases],
  ["custom functions", customCases],
  ["models", modelCases],
  ["theaters and averages", lifetimeCases],
];

/** Longest message that is still read. */
const readable = 500;

async function thrownBy(run: Case["run"], subject: Subject): Promise<unknown> {
  try {
    await run(subject);
  } catch (error) {
    return error;
  }
  return undefined;
}

function expectError(thrown: unknown, { error, code, says, state = asItWas }: Case): void {
  expect(thrown).toBeInstanceOf(error);
  const { constructor, message, ...fields } = thrown as Error & { readonly code?: unknown };
  expect(constructor).toBe(error);
  if (code !== undefined) expect(fields.code).toBe(code);
  for (const part of says) expect(message).toContain(part);
  if (state !== "none") expect(message).toMatch(state);
  expect(message).not.toContain("\n");
  expect(message.length).toBeLessThan(readable);
}

/** Runs `mistake`, and checks that everything is as it was before. */
async function leavingNoTrace(subject: Subject, mistake: () => Promise<void>): Promise<void> {
  const bits = subject.bits();
  const live = subject.live();
  try {
    await mistake();
  } finally {
    subject.cleanUp();
  }
  expect(subject.live(), "live tensors and slots").toBe(live);
  expect(subject.bits(), "bits of the models").toEqual(bits);
  for (const model of [subject.model, subject.plain, subject.broken]) {
    // `keep` is allowed only where no other theater is open.
    const guard = subject.entry.surgicalTheater(model, { onWrite: "keep" });
    expect(guard.close().identical).toBe(true);
  }
}

await useDevices("wasm");

for (const subject of [memorySubject(), tfjsSubject(await useBackend("cpu")), jaxSubject()]) {
  describe(`"${subject.entryPoint}"`, () => {
    const { entry, model, entryPoint } = subject;

    for (const [where, table] of tables) {
      describe(`given wrong ${where}`, () => {
        for (const each of table.filter(({ on = entryPoint }) => [on].flat().includes(entryPoint))) {
          it(`refuses ${each.name}`, () =>
            leavingNoTrace(subject, async () => expectError(await thrownBy(each.run, subject), each)));
        }
      });
    }

    for (const name of ["surgicalTheater", "withTheater", "planTheater"] as const) {
      it(`checks options and model in ${name}`, () => {
        const unused = (): void => {};
        expect(() => entry[name](model, { onwrite: "keep" }, unused)).toThrow('Did you mean "onWrite"?');
        expect(() => entry[name](42, {}, unused)).toThrow(TypeError);
      });
    }

    for (const name of ["surgicalTheaterAsync", "withTheaterAsync"] as const) {
      it(`rejects, and does not throw, in ${name}`, async () => {
        const unused = (): void => {};
        const misspelt = entry[name](model, { onwrite: "keep" }, unused);
        await expect(misspelt).rejects.toThrow('Did you mean "onWrite"?');
        const noModel = entry[name](42, {}, unused);
        await expect(noModel).rejects.toThrow(TypeError);
      });
    }
  });
}

describe("the tables of mistakes", () => {
  const names = tables.flatMap(([, table]) => table.map(({ name }) => name));

  it("hold at least forty, each once", () => {
    expect(names.length).toBeGreaterThanOrEqual(40);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  });
});
