/**
 * An entropy coder to compare with: static rANS (J. Duda, arXiv 1311.2540) with 12-bit frequencies from a first pass and
 * a state of 31 bits that moves bytes. It codes what the plain inverse misses a weight by.
 */

const PRECISION = 12;
const TOTAL = 1 << PRECISION;
/** Lower end of the state. */
const LOWEST = 2 ** 23;

const SYMBOLS = 256;
/** For |residue| > 127, which follows aside in 32 bits. */
const ESCAPE = 255;

/** Coded residues, and all that is needed to decode them. */
interface Coded {
  readonly length: number;
  /** By symbol, in 1/4096. */
  readonly frequencies: Uint16Array;
  readonly bytes: Uint8Array;
  readonly escaped: readonly number[];
}

function symbolOf(residue: number): number {
  return residue >= -127 && residue <= 127 ? residue + 127 : ESCAPE;
}

function frequenciesOf(residues: Int32Array): Uint16Array {
  const counts = new Uint32Array(SYMBOLS);
  for (const residue of residues) counts[symbolOf(residue)]!++;
  const frequencies = Uint16Array.from(counts, (count) =>
    count === 0 ? 0 : Math.max(1, Math.floor((count * TOTAL) / residues.length)),
  );
  let missing = TOTAL - frequencies.reduce((sum, frequency) => sum + frequency, 0);
  for (; missing !== 0; missing -= Math.sign(missing)) {
    frequencies[frequencies.indexOf(Math.max(...frequencies))]! += Math.sign(missing);
  }
  return frequencies;
}

/** Where the range of each symbol begins. */
function startsOf(frequencies: Uint16Array): Uint16Array {
  let start = 0;
  return frequencies.map((frequency) => (start += frequency) - frequency);
}

function encode(residues: Int32Array): Coded {
  const frequencies = frequenciesOf(residues);
  const starts = startsOf(frequencies);
  const buffer = new Uint8Array(2 * residues.length + 4);
  const escaped: number[] = [];
  let at = buffer.length;
  let state = LOWEST;
  // From the last one on, so that decoding begins with the first.
  for (let i = residues.length - 1; i >= 0; i--) {
    const symbol = symbolOf(residues[i]!);
    if (symbol === ESCAPE) escaped.push(residues[i]!);
    const frequency = frequencies[symbol]!;
    for (; state >= 2 ** 19 * frequency; state >>>= 8) buffer[--at] = state;
    state = Math.floor(state / frequency) * TOTAL + (state % frequency) + starts[symbol]!;
  }
  for (let byte = 0; byte < 4; byte++, state >>>= 8) buffer[--at] = state;
  return { length: residues.length, frequencies, bytes: buffer.subarray(at), escaped: escaped.reverse() };
}

function decode({ length, frequencies, bytes, escaped }: Coded): Int32Array {
  const starts = startsOf(frequencies);
  const symbols = new Uint8Array(TOTAL);
  for (const [symbol, start] of starts.entries()) symbols.fill(symbol, start, start + frequencies[symbol]!);
  const residues = new Int32Array(length);
  let at = 0;
  let escapes = 0;
  let state = 0;
  for (; at < 4; at++) state = state * 256 + bytes[at]!;
  for (let i = 0; i < length; i++) {
    const slot = state & (TOTAL - 1);
    const symbol = symbols[slot]!;
    residues[i] = symbol === ESCAPE ? escaped[escapes++]! : symbol - 127;
    state = frequencies[symbol]! * (state >>> PRECISION) + slot - starts[symbol]!;
    while (state < LOWEST) state = state * 256 + bytes[at++]!;
  }
  return residues;
}

/**
 * Bits per residue when coded: the stream, the escapes and the table of frequencies.
 *
 * @throws Error if they do not come back from it
 */
export function ransBits(residues: Int32Array): number {
  const coded = encode(residues);
  const decoded = decode(coded);
  if (residues.some((residue, i) => residue !== decoded[i])) throw new Error("rANS does not come back");
  const bits = 8 * coded.bytes.length + 32 * coded.escaped.length + PRECISION * SYMBOLS;
  return bits / residues.length;
}
