/** What an evaluation shares with the rows that a model was trained on: its numbers are then not those of new patients. */
import type { ImageIdentity } from "./digest.js";
import { SHOWN } from "./problem.js";
import { type Part, placeOf, questionKey, type VqaRecord } from "./record.js";

/** `question`: the same question about the same image, the hardest of the three. */
export type Shared = "group" | "image" | "question";

type Evaluated = Exclude<Part, "train">;

export interface LeakedRow {
  readonly part: Evaluated;
  readonly record: VqaRecord;
  /** What it shares, the hardest first, and the first row that has that, with its part. */
  readonly shares: readonly Shared[];
  readonly with: VqaRecord;
  readonly withPart: Part;
}

export interface Leak {
  /** Questions of each part, those that share nothing included. */
  readonly totals: Readonly<Record<Evaluated, number>>;
  readonly rows: readonly LeakedRow[];
}

interface Learned {
  readonly part: Part;
  readonly record: VqaRecord;
}

export interface EvaluationParts {
  readonly train: readonly VqaRecord[];
  readonly validation: readonly VqaRecord[];
  readonly test: readonly VqaRecord[];
}

/**
 * The validation rows that share group, image or question with training, and the test rows that do with training or
 * validation, which chose the checkpoint. Null where none does.
 */
export function findLeak({ train, validation, test }: EvaluationParts, identity: ImageIdentity): Leak | null {
  const keys: readonly (readonly [Shared, (record: VqaRecord) => string | undefined])[] = [
    ["question", ({ image, question }) => `${identity(image)}\0${questionKey(question)}`],
    ["image", ({ image }) => identity(image)],
    ["group", ({ group }) => group || undefined],
  ];
  const firsts = keys.map(([shared, keyOf]) => ({ shared, keyOf, first: new Map<string, Learned>() }));
  const learn = (part: Part, records: readonly VqaRecord[]) => {
    for (const { keyOf, first } of firsts)
      for (const record of records) {
        const key = keyOf(record);
        if (key !== undefined && !first.has(key)) first.set(key, { part, record });
      }
  };
  const rows: LeakedRow[] = [];
  const look = (part: Evaluated, records: readonly VqaRecord[]) => {
    for (const record of records) {
      const found = firsts.flatMap(({ shared, keyOf, first }) => {
        const row = first.get(keyOf(record) ?? "");
        return row ? [{ shared, row }] : [];
      });
      if (found.length > 0)
        rows.push({
          ...{ part, record, shares: found.map(({ shared }) => shared) },
          ...{ with: found[0].row.record, withPart: found[0].row.part },
        });
    }
  };
  learn("train", train);
  look("validation", validation);
  learn("validation", validation);
  look("test", test);
  return rows.length === 0 ? null : { totals: { validation: validation.length, test: test.length }, rows };
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
  return rows.slice(0, SHOWN).map(({ part, record, shares: [hardest], with: other, withPart }) => {
    const what = hardest === "group" ? `the group ${JSON.stringify(record.group)}` : WHAT[hardest];
    return `${placeOf(record)} (${part}) has ${what} of ${placeOf(other)} (${withPart})`;
  });
}
