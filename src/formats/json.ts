/**
 * A strict JSON reader over bytes. `JSON.parse` keeps the last of duplicate keys without a word, says no positions that
 * could be relied on, and builds whatever a file makes it build. Here the caller says what may come next, every error
 * has the byte at which it is, duplicate keys are refused, and what is not asked for is not kept.
 */
import type { FormatError } from "../errors.ts";

/** Any JSON value; objects are Maps, so that `__proto__` is a key as any other and order is kept. */
export type Json = null | boolean | number | string | readonly Json[] | ReadonlyMap<string, Json>;

/** Deepest nesting that {@link JsonReader.value} follows: a file must not exhaust the stack. */
const DEPTH = 32;

/** Longest text of a number. */
const DIGITS = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads one value after the other, in the order of the file. */
export class JsonReader {
  readonly #bytes: Uint8Array;
  readonly #error: (problem: string, at: number) => FormatError;
  #at = 0;

  /** @param error - makes the error for a problem at a byte of `bytes` */
  constructor(bytes: Uint8Array, error: (problem: string, at: number) => FormatError) {
    this.#bytes = bytes;
    this.#error = error;
  }

  /** Position of the next value. */
  get at(): number {
    this.#skipSpace();
    return this.#at;
  }

  /** Throws what is wrong with the value at `at`. */
  fail(problem: string, at: number = this.at): never {
    throw this.#error(problem, at);
  }

  /** An object. `member` is called at each value, with its key and the key's position, and must read it. */
  object(member: (key: string, at: number) => void): void {
    const keys = new Set<string>();
    this.#list("{", "}", () => {
      const at = this.at;
      const key = this.string();
      if (keys.has(key)) this.fail(`the key ${quoted(key)} is there twice`, at);
      keys.add(key);
      this.#expect(":");
      member(key, at);
    });
  }

  /** An array. `element` is called at each value and must read it. */
  array(element: () => void): void {
    this.#list("[", "]", element);
  }

  string(): string {
    const start = this.at;
    if (this.#bytes[start] !== QUOTE) this.fail("a string was expected");
    let end = start + 1;
    let escapes = false;
    for (; this.#bytes[end] !== QUOTE; end++) {
      const byte = this.#bytes[end];
      if (byte === undefined) this.fail("a string does not end", start);
      if (byte < 0x20) this.fail("a string has a control character", end);
      if (byte !== BACKSLASH) continue;
      escapes = true;
      end++; // whatever is escaped: a quote does not end the string
    }
    this.#at = end + 1;
    try {
      const text = utf8.decode(this.#bytes.subarray(start + 1, end));
      const value = escapes ? (JSON.parse(`"${text}"`) as string) : text;
      // Half a surrogate pair, which only an escape can write, is no text.
      if (!/\p{Surrogate}/u.test(value)) return value;
    } catch {
      // refused below
    }
    return this.fail("a string is not valid UTF-8, or has a wrong escape", start);
  }

  /** A whole number from 0 to 2^53 - 1, written as one: what counts things. */
  integer(): number {
    const start = this.at;
    const text = this.#word();
    const value = /^(?:0|[1-9]\d*)$/.test(text) ? Number(text) : NaN;
    if (!Number.isSafeInteger(value)) this.fail("a whole number from 0 to 2^53 - 1 was expected", start);
    return value;
  }

  /** Any value. */
  value(depth: number = DEPTH): Json {
    const start = this.at;
    if (depth === 0) this.fail(`values are nested more than ${DEPTH} deep`);
    const next = this.#bytes[start];
    if (next === QUOTE) return this.string();
    if (next === 0x7b) {
      const members = new Map<string, Json>();
      this.object((key) => members.set(key, this.value(depth - 1)));
      return members;
    }
    if (next === 0x5b) {
      const elements: Json[] = [];
      this.array(() => elements.push(this.value(depth - 1)));
      return elements;
    }
    const word = this.#word();
    if (word === "null") return null;
    if (word === "true" || word === "false") return word === "true";
    const value = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(word) ? Number(word) : NaN;
    if (!Number.isFinite(value)) this.fail("a value was expected", start);
    return value;
  }

  /** Nothing but white space may be left. */
  end(): void {
    if (this.at < this.#bytes.length) this.fail("there is more after the end");
  }

  #skipSpace(): void {
    for (let byte = this.#bytes[this.#at]; ; byte = this.#bytes[++this.#at]) {
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
    }
  }

  /** Letters, digits and signs up to anything else. */
  #word(): string {
    let word = "";
    while (word.length < DIGITS) {
      const character = String.fromCharCode(this.#bytes[this.#at] ?? 0);
      if (!/[-+.\w]/.test(character)) break;
      word += character;
      this.#at++;
    }
    return word;
  }

  /** Passes `character` if it is next. */
  #take(character: string): boolean {
    if (this.#bytes[this.at] !== character.charCodeAt(0)) return false;
    this.#at++;
    return true;
  }

  #expect(character: string): void {
    if (!this.#take(character)) this.fail(`"${character}" was expected`);
  }

  #list(open: string, close: string, each: () => void): void {
    this.#expect(open);
    if (this.#take(close)) return;
    do each();
    while (this.#take(","));
    this.#expect(close);
  }
}

/** The text of a value. */
export function jsonText(value: Json): string {
  if (value instanceof Map) {
    const members = value as ReadonlyMap<string, Json>;
    return objectText([...members].map(([key, each]) => [key, jsonText(each)]));
  }
  return Array.isArray(value) ? `[${value.map(jsonText).join(",")}]` : JSON.stringify(value);
}

/** An object whose members are text already. A record would put keys that are numbers first. */
export function objectText(members: readonly (readonly [key: string, text: string])[]): string {
  return `{${members.map(([key, text]) => `${JSON.stringify(key)}:${text}`).join(",")}}`;
}

/** A name from a file in a message: whole where it can be, for names differ at their ends. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 99)}…${name.slice(-99)}` : name);
}
