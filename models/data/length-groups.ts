/** Rows in an order in which those of a batch have much the same length, so that little of it is padding. */
import { type HostRandom, OptionError } from "../../engine/index.js";
import { shuffle } from "./order.js";

export interface SizedRow {
  /** Words, or whatever its length is measured in. */
  readonly length: number;
  /** Rows with images and rows without do not share a batch, but for a last one. */
  readonly hasImages: boolean;
}

export interface LengthGroups {
  /** Rows of a batch. */
  readonly batchSize: number;
  /** Batches that are taken together: devices by accumulated batches. */
  readonly world: number;
  readonly random: HostRandom;
}

/**
 * A permutation of 0..rows-1, as LLaVA's sampler makes it: rows by chance in megabatches of `world` batches, each sorted
 * by length and dealt to its batches so that they become equally long. Megabatches with and without images alternate by
 * chance; what is left over of both comes last, by row.
 */
export function lengthGroups(rows: readonly SizedRow[], { batchSize, world, random }: LengthGroups): Uint32Array {
  for (const [name, value] of Object.entries({ batchSize, world }))
    if (!(Number.isInteger(value) && value > 0)) throw new OptionError(`lengthGroups: ${name} ${value}.`);
  const mega = batchSize * world;
  const groups = [true, false]
    .map((hasImages) => [...rows.keys()].filter((row) => rows[row].hasImages === hasImages))
    .filter((group) => group.length > 0)
    .map((group) => megabatches(group, rows, mega, world, random));
  if (groups.length <= 1) return Uint32Array.from(groups.flat(2));
  const last = groups.flatMap((group) => group[group.length - 1]).sort((a, b) => a - b);
  const whole = groups.flatMap((group) => group.slice(0, -1));
  return Uint32Array.from([...Array.from(shuffle(whole.length, random), (i) => whole[i]).flat(), ...last]);
}

function megabatches(
  group: readonly number[],
  rows: readonly SizedRow[],
  size: number,
  world: number,
  random: HostRandom,
): number[][] {
  const shuffled = Array.from(shuffle(group.length, random), (i) => group[i]);
  return Array.from({ length: Math.ceil(shuffled.length / size) }, (_, i) => {
    const mega = shuffled.slice(i * size, (i + 1) * size).sort((a, b) => rows[b].length - rows[a].length);
    return deal(mega, rows, world).flat();
  });
}

/** The next longest goes to the shortest batch that is not full; rows that do not fill all batches go round in turn. */
function deal(sorted: readonly number[], rows: readonly SizedRow[], world: number): number[][] {
  const batches = Array.from({ length: world }, (): number[] => []);
  const full = sorted.length / world;
  if (!Number.isInteger(full)) {
    for (const [i, row] of sorted.entries()) batches[i % world].push(row);
    return batches;
  }
  const lengths = batches.map(() => 0);
  for (const row of sorted) {
    const shortest = lengths.indexOf(Math.min(...lengths));
    batches[shortest].push(row);
    lengths[shortest] =
      batches[shortest].length === full ? Number.POSITIVE_INFINITY : lengths[shortest] + rows[row].length;
  }
  return batches;
}
