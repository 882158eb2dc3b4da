import { OptionError } from "../../engine/index.js";
import type { ImageIdentity } from "./digest.js";
import { shuffle } from "./order.js";
import { randomStream } from "./random.js";
import type { Splits, VqaRecord } from "./record.js";

/**
 * Holds out all questions of `fraction` of the images (rounded, at least one and not all): no test image occurs in
 * training. Depends on the seed and the set of image names, not on the order of the records, which is kept.
 */
export function splitByImage(records: readonly VqaRecord[], seed: number, fraction: number): Splits {
  return holdOut(records, seed, fraction, (record) => record.image, "images");
}

/** As `splitByImage`, with all questions of a unit on one side. */
export function splitByUnit(
  records: readonly VqaRecord[],
  seed: number,
  fraction: number,
  identity: ImageIdentity,
): Splits {
  return holdOut(records, seed, fraction, unitsOf(records, identity), "groups");
}

function holdOut(
  records: readonly VqaRecord[],
  seed: number,
  fraction: number,
  keyOf: (record: VqaRecord) => string,
  what: "images" | "groups",
): Splits {
  const by = what === "images" ? "splitByImage" : "splitByUnit";
  const keys = [...new Set(records.map(keyOf))].sort();
  if (keys.length < 2) throw new OptionError(`${by}: ${keys.length} ${what}, needs at least 2.`);
  if (!(fraction > 0 && fraction < 1)) throw new OptionError(`${by}: fraction ${fraction} is not in (0, 1).`);

  const count = Math.min(Math.max(Math.round(fraction * keys.length), 1), keys.length - 1);
  const shuffled = shuffle(keys.length, randomStream(seed, "split"));
  const held = new Set(Array.from(shuffled.subarray(0, count), (i) => keys[i]));
  return {
    train: records.filter((record) => !held.has(keyOf(record))),
    test: records.filter((record) => held.has(keyOf(record))),
  };
}

/** Percent of the groups in each part, together 100; validation may be 0. */
export type Shares = readonly [train: number, validation: number, test: number];

export interface ThreeParts {
  readonly train: VqaRecord[];
  readonly validation: VqaRecord[];
  readonly test: VqaRecord[];
}

/**
 * Three parts, with all rows of a unit in one: rows with a group in common, or with an image of the same content, belong
 * to one unit, and so on from row to row. Shares are of units, rounded, with at least one for each share above 0. Depends
 * on the seed and on groups and images, not on the order of the records, which is kept.
 */
export function splitInThree(
  records: readonly VqaRecord[],
  seed: number,
  shares: Shares,
  identity: ImageIdentity,
): ThreeParts {
  const keyOf = unitsOf(records, identity);
  const keys = [...new Set(records.map(keyOf))].sort();
  const wanted = shares.filter((share) => share > 0).length;
  if (keys.length < wanted)
    throw new OptionError(`split: ${keys.length} groups are too few for ${wanted} parts. Give the parts in a column.`);
  const atLeast = (share: number) => (share > 0 ? Math.max(1, Math.round((share / 100) * keys.length)) : 0);
  const room = keys.length - 1;
  const test = Math.min(atLeast(shares[2]), room - (shares[1] > 0 ? 1 : 0));
  const validation = Math.min(atLeast(shares[1]), room - test);
  const shuffled = Array.from(shuffle(keys.length, randomStream(seed, "split")), (i) => keys[i]);
  const [inTest, inValidation] = [new Set(shuffled.slice(0, test)), new Set(shuffled.slice(test, test + validation))];
  return {
    train: records.filter((record) => !inTest.has(keyOf(record)) && !inValidation.has(keyOf(record))),
    validation: records.filter((record) => inValidation.has(keyOf(record))),
    test: records.filter((record) => inTest.has(keyOf(record))),
  };
}

/** The unit of each record: the first name, in the order of names, of what is connected by groups and images. */
function unitsOf(records: readonly VqaRecord[], identity: ImageIdentity): (record: VqaRecord) => string {
  const parent = new Map<string, string>();
  const root = (name: string): string => {
    let at = name;
    for (let up = parent.get(at); up !== undefined && up !== at; up = parent.get(at)) {
      parent.set(at, parent.get(up) ?? up);
      at = up;
    }
    return at;
  };
  const image = (record: VqaRecord) => `image ${identity(record.image)}`;
  const nameOf = (record: VqaRecord) => (record.group ? `group ${record.group}` : image(record));
  for (const record of records) {
    const [first, other] = [root(nameOf(record)), root(image(record))].sort();
    if (first !== other) parent.set(other, first);
  }
  return (record) => root(nameOf(record));
}
