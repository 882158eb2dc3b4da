/** How evenly the answers of a data set are spread, and what of that spoils a measurement. */
import { normaliseAnswer } from "./answers.js";
import { type Problem, placesText } from "./problem.js";
import { askedOf, type Part, placeOf, type VqaRecord } from "./record.js";

/** An answer, and how common it is. */
export interface CommonAnswer {
  /** Normalised. */
  readonly answer: string;
  /** Of the rows, from 0 to 1. */
  readonly share: number;
}

/** The answers of one part. */
export interface Balance {
  /** Rows answered by yes. */
  readonly yes: number;
  /** By no. */
  readonly no: number;
  /** The most common answer. */
  readonly most: CommonAnswer;
  /** Different answers. */
  readonly answers: number;
  /** Rows whose answer no training row has; 0 for training itself. */
  readonly unseen: number;
}

/** Parts smaller than this are not judged. */
const ENOUGH = 20;
/** Shares above these are problems: of one answer, of yes or no among both, of rows that training cannot teach. */
const LARGEST = { answer: 0.8, yesNo: 0.9, unseen: 0.25 };

const answersIn = (record: VqaRecord) => askedOf(record).map(({ answer }) => normaliseAnswer(answer));

/** Of each part that has rows. */
export function balanceOf(parts: Readonly<Record<string, readonly VqaRecord[]>>): Record<string, Balance> {
  const known = new Set((parts.train ?? []).flatMap(answersIn));
  return Object.fromEntries(
    Object.entries(parts)
      .filter(([, records]) => records.length > 0)
      .map(([part, records]) => {
        const counts = new Map<string, number>();
        for (const { answer } of records) {
          const normal = normaliseAnswer(answer);
          counts.set(normal, (counts.get(normal) ?? 0) + 1);
        }
        const [[answer, most]] = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
        const balance: Balance = {
          ...{ yes: counts.get("yes") ?? 0, no: counts.get("no") ?? 0, answers: counts.size },
          most: { answer, share: most / records.length },
          unseen: known.size === 0 ? 0 : unseen(records, known).length,
        };
        return [part, balance];
      }),
  );
}

const unseen = (records: readonly VqaRecord[], known: ReadonlySet<string>) =>
  records.filter(({ answer }) => !known.has(normaliseAnswer(answer)));

/** What is so uneven that a number says little. */
export function balanceProblems(parts: Readonly<Record<string, readonly VqaRecord[]>>): Problem[] {
  const known = new Set((parts.train ?? []).flatMap(answersIn));
  return Object.entries(balanceOf(parts)).flatMap(([part, { yes, no, most, unseen: never }]) => {
    const records = parts[part];
    if (records.length < ENOUGH) return [];
    const found: Problem[] = [];
    const add = (text: string, advice: string, places: readonly VqaRecord[] = []) =>
      found.push({ kind: "class balance", text, advice, places: places.map(placeOf) });
    if (most.share > LARGEST.answer)
      add(
        `${percent(most.share)} of the ${part} questions have the answer ${JSON.stringify(most.answer)}`,
        "A model that always says it looks as good: add questions with other answers, or compare with that",
      );
    else if (yes + no >= ENOUGH && Math.max(yes, no) / (yes + no) > LARGEST.yesNo)
      add(
        `of the ${yes + no} yes/no questions of ${part} ${percent(Math.max(yes, no) / (yes + no))} are answered ${yes > no ? "yes" : "no"}`,
        "Add questions with the other answer, or compare with always saying this one",
      );
    if (part !== ("train" satisfies Part) && never / records.length > LARGEST.unseen) {
      const rows = unseen(records, known);
      add(
        `${percent(never / records.length)} of the ${part} questions have answers that no training question has (${placesText(rows.map(placeOf))})`,
        "Ranking cannot give them: move such rows into training, or let the model write its answers",
        rows,
      );
    }
    return found;
  });
}

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
