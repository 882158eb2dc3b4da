import type { Format, Sample } from "./format.js";
import { formats } from "./formats/index.js";
import { damaged } from "./mutations/bytes.js";
import { Random } from "./random.js";

/** A damaged file: `PNG#17` is the same bytes on every machine, however many there are. */
export interface Case {
  readonly format: Format;
  readonly number: number;
  readonly sample: Sample;
  readonly bytes: Uint8Array;
}

export const nameOf = ({ format, number }: Pick<Case, "format" | "number">) => `${format.name}#${number}`;

/** Share of the files whose damage knows nothing of their format. */
const BLIND = 0.12;

const samples = new Map<Format, Promise<Sample[]>>();

export async function caseOf(format: Format, number: number): Promise<Case> {
  const known = samples.get(format) ?? Promise.resolve(format.samples());
  samples.set(format, known);
  const random = new Random(`${format.name}#${number}`);
  const sample = random.pick(await known);
  let bytes = sample.bytes;
  // Some damage changes nothing.
  for (let tries = 0; tries < 20 && Buffer.compare(bytes, sample.bytes) === 0; tries++)
    bytes = random.chance(BLIND) ? damaged(sample.bytes, random) : format.mutate(sample.bytes, random, sample);
  return { format, number, sample, bytes };
}

/** How many files of each kind there are among `total`. */
export function numbersOf(total: number, of: readonly Format[] = formats): Map<Format, number> {
  const parts = of.reduce((sum, { share }) => sum + share, 0);
  return new Map(of.map((format) => [format, Math.ceil((total * format.share) / parts)]));
}
