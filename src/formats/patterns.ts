/** `rank_pattern` and `alpha_pattern`: regular expressions from a file, which must not make us hang. */

/**
 * What cannot be allowed in an expression from a file, or undefined. Backtracking takes exponential time where
 * repetitions are nested, and a power of the name's length for each one that has no bound.
 */
export function refusedIn(pattern: string): string | undefined {
  // Classes and escapes become one letter each, so that what is left is structure.
  const structure = pattern.replace(/\\./gs, "x").replace(/\[\^?\]?[^\]]*\]/g, "x");
  if (/\\[1-9]|\\k/.test(pattern)) return "refers back to a group";
  if (/\(\?(?!:)/.test(structure)) return "has a group of a special kind";
  if (/\)\s*[*+{]/.test(structure)) return "repeats a group";
  if ((structure.match(/[*+{]/g) ?? []).length > 2) return "has more than two repetitions";
  try {
    expressionOf(pattern);
  } catch {
    return "is not a regular expression";
  }
  return undefined;
}

/** PEFT tests a key against the module from its beginning, or from behind a dot. Source: peft 5d602fd, `get_pattern_key`. */
function expressionOf(pattern: string): RegExp {
  return new RegExp(`^(?:.*\\.)?(?:${pattern})$`);
}

/** The value of the first pattern that fits a module. */
export function matching(patterns: ReadonlyMap<string, number>, module: string): number | undefined {
  for (const [pattern, value] of patterns) if (expressionOf(pattern).test(module)) return value;
  return undefined;
}

/**
 * Patterns that give each module its value: those with the default need none, unless another's pattern fits them too.
 *
 * @param values - by module
 */
export function patternsFor(values: ReadonlyMap<string, number>, usual: number): ReadonlyMap<string, number> {
  // Names as they are: readers other than PEFT look them up without expressions.
  const plain = new Map([...values].filter(([, value]) => value !== usual));
  const areExpressions = [...plain.keys()].every((module) => refusedIn(module) === undefined);
  const fits = ([module, value]: [string, number]): boolean => (matching(plain, module) ?? usual) === value;
  if (areExpressions && [...values].every(fits)) return plain;
  // A longer name can only be fitted by its own pattern, so that the longest come first.
  const all = [...values].sort(([a], [b]) => b.length - a.length);
  return new Map(all.map(([module, value]) => [escaped(module), value]));
}

function escaped(module: string): string {
  return module.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
