/** What an evaluation shares with the rows that a model was trained on: its numbers are then not those of new patients. */
import type { ImageIdentity } from "./digest.js";
import { placesText, SHOWN } from "./problem.js";
import { type Part, placeOf, questionKey, type VqaRecord } from "./record.js";

/** `question`: the same question about the same image, the hardest of the three. */
export type Shared = "group" | "image" | "question";

/** A part that is measured, or chooses the checkpoint. */
export type Evaluated = Exclude<Part, "train">;

/** A row of an evaluation that shares something with training. */
export interface LeakedRow {
  /** Of the evaluation. */
  readonly part: Evaluated;
  /** The row itself. */
  readonly record: VqaRecord;
  /** What it shares, the hardest first. */
  readonly shares: readonly Shared[];
  /** The first row that has the hardest of that. */
  readonly with: VqaRecord;
  /** Its part. */
  readonly withPart: Part;
  /** Where that row is from; absent where it is of the same run. */
  readonly from?: string;
  /** That row is of a file, not of a published split. */
  readonly ofFile?: true;
}

/** What an evaluation shares with training. */
export interface Leak {
  /** Questions of each part, those that share nothing included. */
  readonly totals: Readonly<Record<Evaluated, number>>;
  /** Those that share something. */
  readonly rows: readonly LeakedRow[];
}

export interface EvaluationParts {
  readonly train: readonly VqaRecord[];
  readonly validation: readonly VqaRecord[];
  readonly test: readonly VqaRecord[];
}

/** Rows that a model learned in another run: that of its start, or the one that made it. */
export interface Learned {
  readonly part: Part;
  readonly records: readonly VqaRecord[];
  /** Where they are from, in words. */
  readonly from: string;
  /** Whether a group of the same name is the same group: two hospitals both number their patients 1, 2, 3. */
  readonly sameGroups: boolean;
  /** Rows of a file, a table or captions, and not of a published split, which is taken as it is. */
  readonly ofFile: boolean;
}

/**
 * The validation rows that share group, image or question with training, and the test rows that do with training or
 * validation, which chose the checkpoint. The parts of earlier runs (`before`) count as those of this one. Null where no
 * row shares anything.
 */
export function findLeak(
  { train, validation, test }: EvaluationParts,
  identity: ImageIdentity,
  before: readonly Learned[] = [],
): Leak | null {
  const keys: readonly (readonly [Shared, (record: VqaRecord) => string | undefined])[] = [
    // Two rows without a question do not ask the same.
    [
      "question",
      (record) => (questionKey(record) === "" ? undefined : `${identity(record.image)}\0${questionKey(record)}`),
    ],
    ["image", ({ image }) => identity(image)],
    ["group", ({ group }) => group || undefined],
  ];
  type First = Pick<LeakedRow, "with" | "withPart" | "from" | "ofFile">;
  const firsts = keys.map(([shared, keyOf]) => ({ shared, keyOf, first: new Map<string, First>() }));
  const learn = ({ part, records, sameGroups, from, ofFile }: Omit<Learned, "from"> & { from?: string }) => {
    for (const { shared, keyOf, first } of firsts)
      for (const record of shared === "group" && !sameGroups ? [] : records) {
        const key = keyOf(record);
        if (key !== undefined && !first.has(key))
          first.set(key, { with: record, withPart: part, ...(from && { from }), ...(ofFile && { ofFile }) });
      }
  };
  const learnHere = (part: Part, records: readonly VqaRecord[]) =>
    learn({ part, records, sameGroups: true, ofFile: false });
  const rows: LeakedRow[] = [];
  const look = (part: Evaluated, records: readonly VqaRecord[]) => {
    for (const record of records) {
      const found = firsts.flatMap(({ shared, keyOf, first }) => {
        const row = first.get(keyOf(record) ?? "");
        return row ? [{ shared, row }] : [];
      });
      if (found.length > 0) rows.push({ part, record, shares: found.map(({ shared }) => shared), ...found[0].row });
    }
  };
  const learnBefore = (wanted: Part) => {
    for (const learned of before) if (learned.part === wanted) learn(learned);
  };
  learnHere("train", train);
  learnBefore("train");
  look("validation", validation);
  learnHere("validation", validation);
  learnBefore("validation");
  look("test", test);
  return rows.length === 0 ? null : { totals: { validation: validation.length, test: test.length }, rows };
}

/** The hardest first. */
const HARDEST: readonly Shared[] = ["question", "image", "group"];

/**
 * Rows that share more with earlier runs than with their own `split`, which is taken as it is. Validation, which only chooses the
 * checkpoint of a published split, may have images that another one asked other questions about.
 */
export function beyondSplit(leak: Leak, split: Leak | null): LeakedRow[] {
  const own = new Map(split?.rows.map(({ record, shares: [hardest] }) => [record, HARDEST.indexOf(hardest)]));
  return leak.rows.filter(({ record, part, shares: [hardest], ofFile }) => {
    const isHarder = HARDEST.indexOf(hardest) < (own.get(record) ?? HARDEST.length);
    return isHarder && (part === "test" || ofFile || hardest === "question");
  });
}

/**
 * What is to be known where rows have a group of the same name as rows learned from another file, and share nothing else:
 * it may be the same patient or another. Null where none has.
 */
export function sameNames(records: readonly VqaRecord[], before: readonly Learned[], leak: Leak | null): string | null {
  const others = before.filter(({ sameGroups }) => !sameGroups);
  const from = new Map(others.flatMap(({ records, from }) => records.map(({ group }) => [group, from] as const)));
  const leaked = new Set(leak?.rows.map(({ record }) => record));
  const found = records.filter((record) => record.group && from.has(record.group) && !leaked.has(record));
  if (found.length === 0) return null;
  const names = [...new Set(found.map(({ group }) => group))];
  const sources = [...new Set(names.map((name) => from.get(name)))].join(" and ");
  const [are, groups] = [
    found.length === 1 ? "question is" : "questions are",
    names.length === 1 ? "a group" : "groups",
  ];
  return (
    `${found.length} ${are} of ${groups} named as in the training rows of ${sources}: ` +
    `${placesText(names.map((name) => JSON.stringify(name)))}. If these are the same patients, the numbers are not those of new ones`
  );
}

const WHAT: Readonly<Record<Shared, string>> = {
  group: "the group",
  image: "the image",
  question: "the question about the same image",
};
const SHARED = ["group", "image", "question"] as const;

/** How many rows share each. */
export function countsOf(rows: readonly LeakedRow[]): Record<Shared, number> {
  const count = (shared: Shared) => rows.filter(({ shares }) => shares.includes(shared)).length;
  return { group: count("group"), image: count("image"), question: count("question") };
}

/** The sentence that every report has: `451 of 451 test questions share with training: 451 the image, 16 ...`. */
export function leakText({ totals, rows }: Leak): string {
  const sentence = (part: Evaluated) => {
    const some = rows.filter((row) => row.part === part);
    const counts = countsOf(some);
    const what = SHARED.filter((shared) => counts[shared] > 0).map((shared) => `${counts[shared]} ${WHAT[shared]}`);
    return `${some.length} of ${totals[part]} ${part} questions share with training: ${what.join(", ")}`;
  };
  const parts = (["validation", "test"] as const).filter((part) => rows.some((row) => row.part === part));
  return parts.map(sentence).join("; ");
}

/** The first rows by their place: `line 9 (test) has the group "p3" of line 2 (train)`. */
export function leakedRows({ rows }: Leak): string[] {
  return rows.slice(0, SHOWN).map(({ part, record, shares: [hardest], with: other, withPart, from }) => {
    const what = hardest === "group" ? `the group ${JSON.stringify(record.group)}` : WHAT[hardest];
    return `${placeOf(record)} (${part}) has ${what} of ${placeOf(other)} (${withPart}${from ? ` of ${from}` : ""})`;
  });
}
