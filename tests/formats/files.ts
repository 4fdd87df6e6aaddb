/** Files to read, good and bad, and sources that count what is read of them. */
import { type ByteSource, bytesOf, type Chunks, type Folder, folderOf } from "../../src/formats.ts";

/** A file with this header, whatever it says, and these bytes of data. */
export function fileOf(header: string | object, data: ArrayLike<number> = [], length?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + data.length);
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  file.set(text, 8);
  file.set(data, 8 + text.length);
  return file;
}

/** All files of a folder, in memory. */
export async function gathered(files: ReadonlyMap<string, Chunks>): Promise<Map<string, Uint8Array>> {
  const bytes = new Map<string, Uint8Array>();
  for (const [name, chunks] of files) bytes.set(name, await bytesOf(chunks));
  return bytes;
}

/** What was asked of sources. */
export interface Log {
  /** Largest single read, in bytes. */
  largest: number;
  /** All reads together. */
  total: number;
  opened: string[];
  closed: string[];
}

export const newLog = (): Log => ({ largest: 0, total: 0, opened: [], closed: [] });

/** A source in memory that fails if it is asked for what it does not have. */
export function counted(bytes: Uint8Array, log: Log = newLog(), name = "file"): ByteSource {
  return {
    size: bytes.length,
    name,
    read: async (offset, length) => {
      if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length)) {
        throw new Error(`${length} bytes at ${offset} were asked for, of ${bytes.length}`);
      }
      log.largest = Math.max(log.largest, length);
      log.total += length;
      return bytes.subarray(offset, offset + length);
    },
    close: () => void log.closed.push(name),
  };
}

/** A folder of {@link counted} sources. */
export function countedFolder(files: ReadonlyMap<string, Uint8Array>, log: Log = newLog()): Folder {
  return {
    open(name) {
      const bytes = files.get(name);
      if (bytes === undefined) return undefined;
      log.opened.push(name);
      return counted(bytes, log, name);
    },
  };
}

/** A folder with an adapter's configuration and its tensors. */
export function peftFolder(config: string | object, weights?: Uint8Array): Folder {
  const text = typeof config === "string" ? config : JSON.stringify(config);
  return folderOf({
    "adapter_config.json": new TextEncoder().encode(text),
    ...(weights !== undefined && { "adapter_model.safetensors": weights }),
  });
}

/**
 * Eight tensors of seven formats, as safetensors 0.8.0 for Python writes them: `safetensors.numpy.save`, with metadata
 * { a: "2" }. Their names need every kind of escape, and sort by code points.
 */
export const reference: Uint8Array = Buffer.from(
  "e0010000000000007b225f5f6d657461646174615f5f223a7b2261223a2232227d2c2269223a7b226474797065223a22" +
    "493634222c227368617065223a5b5d2c22646174615f6f666673657473223a5b302c385d7d2c2266223a7b2264747970" +
    "65223a22463634222c227368617065223a5b315d2c22646174615f6f666673657473223a5b382c31365d7d2c2277223a" +
    "7b226474797065223a22463332222c227368617065223a5b325d2c22646174615f6f666673657473223a5b31362c3234" +
    "5d7d2c2262223a7b226474797065223a22463136222c227368617065223a5b302c335d2c22646174615f6f6666736574" +
    "73223a5b32342c32345d7d2c22c3a9223a7b226474797065223a225538222c227368617065223a5b335d2c2264617461" +
    "5f6f666673657473223a5b32342c32375d7d2c22ef80805c225c5c5c6e7fe280a8223a7b226474797065223a22553822" +
    "2c227368617065223a5b315d2c22646174615f6f666673657473223a5b32372c32385d7d2c22f0908080223a7b226474" +
    "797065223a225538222c227368617065223a5b315d2c22646174615f6f666673657473223a5b32382c32395d7d2c227a" +
    "223a7b226474797065223a22424f4f4c222c227368617065223a5b325d2c22646174615f6f666673657473223a5b3239" +
    "2c33315d7d7d20200500000000000000000000000000f83f0000803f0000008001020301010100",
  "hex",
);

/** A generator of numbers below `n`, the same for the same seed. */
export function below(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) % n;
  };
}

/** What `run` rejects with. */
export async function rejection(run: Promise<unknown>): Promise<unknown> {
  return run.then(
    () => {
      throw new Error("nothing was thrown");
    },
    (error: unknown) => error,
  );
}
