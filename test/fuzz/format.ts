import type { Random } from "./random.js";

/** A sound file, which cases are made of. */
export interface Sample {
  /** What the file is called: its reader goes by the name, or by what lies beside it. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Sound files of the same folder. */
  readonly beside?: Readonly<Record<string, Uint8Array>>;
}

/** A kind of file, how it is damaged, and who reads it. */
export interface Format {
  readonly name: string;
  /** Share of a campaign's files, in parts of the sum of all. */
  readonly share: number;
  /** What counts as its header, for people. */
  readonly header: string;
  samples(): Sample[] | Promise<Sample[]>;
  /** Damage that knows the format: most of it leaves the header sound. */
  mutate(bytes: Uint8Array, random: Random, sample: Sample): Uint8Array;
  /** Whether the header of a damaged file is sound, so that its reader comes to what is behind it. */
  isPastHeader(bytes: Uint8Array, sample: Sample): boolean | Promise<boolean>;
  /** Reads the file as users of the library do. Rejects as they see it; with Unsound where what it gives is wrong. */
  read(path: string, sample: Sample): Promise<unknown>;
}

/** A file was taken, and what came out of it breaks a promise of its reader. */
export class Unsound extends Error {}

export function promise(isKept: boolean, what: string): void {
  if (!isKept) throw new Unsound(what);
}
