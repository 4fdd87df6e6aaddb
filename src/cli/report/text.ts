/** Names and messages are other people's: what a reader cannot see, or what reorders a line, is spelt out. */

/** Joiners and non-joiners are left: emoji and Persian words need them. */
const unseen = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

const familiar: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const spelt = (character: string): string =>
  familiar[character] ?? `\\u{${character.codePointAt(0)!.toString(16)}}`;

/** The same text with characters that control something as escapes. */
export function visible(text: string): string {
  return text.replaceAll(/\p{Surrogate}/gu, "\ufffd").replaceAll(unseen, spelt);
}

/** East Asian characters and emoji, which take twice the width. */
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\u{1f300}-\u{1faff}]/u;

const unitsOf = (character: string): number => (wide.test(character) ? 2 : 1);

/** About how many narrow characters wide a text is. */
export function unitsIn(text: string): number {
  return Array.from(text).reduce((sum, character) => sum + unitsOf(character), 0);
}

function fitting(characters: Iterable<string>, units: number): string[] {
  const taken: string[] = [];
  let left = units;
  for (const character of characters) {
    left -= unitsOf(character);
    if (left < 0) break;
    taken.push(character);
  }
  return taken;
}

/** What is too long loses its middle, because names differ at both ends. */
function shorten(text: string, units: number): string {
  if (unitsIn(text) <= units) return text;
  const half = (units - 1) / 2;
  const characters = Array.from(text);
  const head = fitting(characters, Math.ceil(half));
  const tail = fitting(characters.reverse(), Math.floor(half)).reverse();
  return `${head.join("")}…${tail.join("")}`;
}

/** How many characters all texts begin with, up to the last one that parts names. */
function commonStart(texts: readonly string[]): number {
  const [first = "", ...others] = texts;
  let length = 0;
  while (length < first.length && others.every((text) => text[length] === first[length])) length++;
  return /^.*[./:_\- ]/s.exec(first.slice(0, length))?.[0].length ?? 0;
}

/**
 * Labels for a figure, each at most so wide: where names are too long, what all begin with is left out. No two are the
 * same unless their names are: those that would be are numbered.
 */
export function labelsFor(names: readonly string[], units: number): readonly string[] {
  const shown = names.map(visible);
  const areLong = shown.some((name) => unitsIn(name) > units);
  const start = areLong && shown.length > 1 ? commonStart(shown) : 0;
  const short = shown.map((name) => shorten(start > 3 ? `…${name.slice(start)}` : name, units));
  const isShared = (label: string, i: number): boolean =>
    short.some((other, j) => other === label && shown[j] !== shown[i]);
  return short.map((label, i) => (isShared(label, i) ? shorten(`${i + 1}: ${label}`, units) : label));
}
