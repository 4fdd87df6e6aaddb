/** A request in words that are the same wherever it is the same. */
import type { Modification } from "./modification.ts";
import type { Request } from "./options.ts";
import type { Plan } from "./plan.ts";
import { fingerprint } from "./fingerprint.ts";

/** Values that are no numbers or names: code by its text, arrays by their bytes. */
function describe(_key: string, value: unknown): unknown {
  if (typeof value === "function") return String(value);
  if (value instanceof RegExp) return String(value);
  if (!ArrayBuffer.isView(value)) return value;
  return fingerprint(value);
}

/**
 * What processes that open a theater together must agree on, by name: what people read first. Averages are left out: each
 * process has its own part of them.
 */
export function describeRequest(request: Request, plan: Plan): Readonly<Record<string, string>> {
  const { layers, budget, onWrite, verify, seed } = request;
  const modifications = request.modifications.map((each: Modification<unknown>) =>
    each.type === "interpolate" ? { ...each, towards: Object.keys(each.towards) } : each,
  );
  const parameters = plan.parameters.map(({ name, shape, dtype }) => [name, shape, dtype]);
  return {
    seed: String(seed),
    budget: String(budget),
    onWrite,
    verify: String(verify),
    modifications: plan.modifications.join(", "),
    "what the modifications do": JSON.stringify(modifications, describe),
    layers: typeof layers === "string" ? layers : JSON.stringify(layers, describe),
    "the parameters that are modified": JSON.stringify(parameters),
  };
}
