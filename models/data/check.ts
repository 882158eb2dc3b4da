/** Everything that is wrong with the rows and images of a data set, and what they are, before a model sees them. */
import { imageExists, readImage } from "../images/load-image.js";
import { normaliseAnswer } from "./answers.js";
import { type Balance, balanceOf, balanceProblems } from "./balance.js";
import { each, type ImageIdentity, imageIdentity } from "./digest.js";
import { findLeak, leakedRows, leakText } from "./leak.js";
import { type Problem, type ProblemKind, placesText } from "./problem.js";
import { type Part, placeOf, questionKey, type VqaRecord } from "./record.js";

/** Rows by their part; `unsplit` where neither a file nor a column says one. */
export type RowsByPart = Readonly<Partial<Record<Part | "unsplit", readonly VqaRecord[]>>>;

/** What the rows of a data set are. */
export interface DataSummary {
  /** How many, by part. */
  readonly rows: Readonly<Record<string, number>>;
  /** Different pictures. */
  readonly images: number;
  /** Patients or studies; 0 where none are named. */
  readonly groups: number;
  /** Rows of each type; unknown where the data set says nothing. */
  readonly answerTypes: Readonly<Record<"closed" | "open" | "unknown", number>>;
  /** How often each answer is given, normalised, the most common first. */
  readonly answers: readonly Count[];
  /** How questions begin, by their first word. */
  readonly questions: readonly Count[];
  /** How many rows each has. */
  readonly categories: readonly Count[];
  /** How evenly the answers of each part are spread. */
  readonly balance: Readonly<Record<string, Balance>>;
}

/** How often something occurs. */
export interface Count {
  /** What. */
  readonly name: string;
  /** How often. */
  readonly count: number;
}

/** How closely a data set is looked at. */
export interface CheckOptions {
  /** Decode every image; otherwise they are only looked for. Default: true. */
  readonly decode?: boolean;
  /** Rows whose faults are known, as far as they could be read: their images are looked at, and what they share. Default: none. */
  readonly faulty?: RowsByPart;
  /** Lines are those of several files: each place says its part. Default: false. */
  readonly isSeveral?: boolean;
  /** Ends the check. */
  readonly signal?: AbortSignal;
  /** Called after each image. */
  onProgress?(done: number, total: number): void;
}

interface Placed {
  readonly record: VqaRecord;
  readonly part: keyof RowsByPart;
  readonly place: string;
}

/** Problems beside those that reading the rows has found (`known`). Reads every image once. */
export async function checkRows(
  parts: RowsByPart,
  options: CheckOptions = {},
): Promise<{ problems: Problem[]; summary: DataSummary }> {
  const { isSeveral = false, faulty = {} } = options;
  const rows = placed(parts, isSeveral);
  const all = withFaulty(parts, faulty);
  const { problems: images, sound } = await imageProblems(placed(all, isSeveral), options);
  const identity = await imageIdentity(sound, options.signal);
  return {
    problems: [
      ...images,
      ...emptyTexts(rows),
      ...oddTypes(rows),
      ...repeats(rows, identity),
      ...leaks(all, identity, isSeveral),
      ...balanceProblems(filled(parts)),
    ],
    summary: summaryOf(parts, identity),
  };
}

const placed = (parts: RowsByPart, isSeveral: boolean): Placed[] =>
  Object.entries(parts).flatMap(([part, records]) =>
    (records ?? []).map((record) => ({
      record,
      part: part as Placed["part"],
      place: placeIn(record, part, isSeveral),
    })),
  );

/** Both, each part in the order of its file. */
function withFaulty(parts: RowsByPart, faulty: RowsByPart): RowsByPart {
  const names = new Set([...Object.keys(parts), ...Object.keys(faulty)]) as Set<keyof RowsByPart>;
  const both = (name: keyof RowsByPart) => [...(parts[name] ?? []), ...(faulty[name] ?? [])];
  return Object.fromEntries([...names].map((name) => [name, both(name).sort((a, b) => a.row - b.row)]));
}

const filled = (parts: RowsByPart): Record<string, readonly VqaRecord[]> =>
  Object.fromEntries(Object.entries(parts).map(([part, records]) => [part, records ?? []]));

/** Rows of a JSON array, and of several files, are numbered by file: the part tells which. */
const placeIn = (record: VqaRecord, part: string, isSeveral: boolean) =>
  isSeveral || record.line === undefined ? `${placeOf(record)} (${part})` : placeOf(record);

const problem = (kind: ProblemKind, what: string, advice: string, places: readonly string[]): Problem[] =>
  places.length === 0 ? [] : [{ kind, text: `${what} (${placesText(places)})`, advice, places }];

async function imageProblems(rows: readonly Placed[], { decode = true, signal, onProgress }: CheckOptions) {
  const first = new Map<string, string>();
  for (const { record, place } of rows) if (!first.has(record.image)) first.set(record.image, place);
  const missing: string[] = [];
  const broken: string[] = [];
  const sound: string[] = [];
  let done = 0;
  await each([...first], signal, async ([image, place]) => {
    const isThere = await imageExists(image);
    const fault = isThere && decode ? await faultOf(image) : null;
    if (!isThere) missing.push(`${image} (${place})`);
    else if (fault) broken.push(`${image} (${place}): ${fault}`);
    else sound.push(image);
    onProgress?.(++done, first.size);
  });
  const listed = (kind: ProblemKind, what: string, advice: string, places: string[]): Problem[] =>
    places.length === 0
      ? []
      : [
          {
            kind,
            text: `${places.length} of ${first.size} images ${what}: ${placesText(places.sort())}`,
            advice,
            places,
          },
        ];
  const problems = [
    ...listed("image missing", "are missing", "Put them there, or name their folder", missing),
    ...listed("image unreadable", "cannot be read", "Copy them again, or take out their rows", broken),
  ];
  return { problems, sound };
}

/** Why an image cannot be decoded; null where it can. */
const faultOf = (image: string): Promise<string | null> =>
  readImage(image).then(
    () => null,
    (error: Error) => error.message.replace(`${image}: `, "").replace(/\. .*$/s, ""),
  );

function emptyTexts(rows: readonly Placed[]): Problem[] {
  const empty = (key: "question" | "answer") =>
    rows.filter(({ record }) => record[key].trim() === "").map(({ place }) => place);
  return (["question", "answer"] as const).flatMap((key) =>
    problem("empty value", `the ${key} is empty`, "Fill it, or take these rows out", empty(key)),
  );
}

const isYesNo = (answer: string) => ["yes", "no"].includes(normaliseAnswer(answer));

function oddTypes(rows: readonly Placed[]): Problem[] {
  const odd = rows.filter(({ record: { answer, answerType } }) => answerType === "OPEN" && isYesNo(answer));
  const places = odd.map(({ place }) => place);
  return problem("answer type", "yes or no, but marked open", "Mark it closed, or leave the type out", places);
}

/** Rows that come twice in one part, questions that are answered in two ways, ids that two rows have. */
function repeats(rows: readonly Placed[], identity: ImageIdentity): Problem[] {
  const seen = new Map<string, Placed>();
  const ids = new Set<string>();
  const [twice, otherwise, sameId]: string[][] = [[], [], []];
  for (const row of rows) {
    const { record, part, place } = row;
    const key = `${part}\0${identity(record.image)}\0${questionKey(record)}`;
    const before = seen.get(key);
    if (!before) seen.set(key, row);
    else if (normaliseAnswer(before.record.answer) === normaliseAnswer(record.answer)) twice.push(place);
    else otherwise.push(`${place} and ${before.place}`);
    const id = `${part}\0${record.qid}`;
    if (ids.has(id)) sameId.push(place);
    ids.add(id);
  }
  return [
    ...problem("duplicate row", "image, question and answer of an earlier row", "Leave one of each", twice),
    ...problem(
      "duplicate row",
      "the same question about the same image, with another answer",
      "Decide for one",
      otherwise,
    ),
    ...problem("duplicate id", "the id of an earlier row", "Give each row its own", sameId),
  ];
}

function leaks(
  { train = [], validation = [], test = [] }: RowsByPart,
  identity: ImageIdentity,
  isSeveral: boolean,
): Problem[] {
  const leak = findLeak({ train, validation, test }, identity);
  if (!leak) return [];
  const more = leak.rows.length - leakedRows(leak).length;
  const list = [...leakedRows(leak), ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
  const advice = "Change the parts so that no group and no image is in two of them";
  const places = leak.rows.map(({ record, part }) => placeIn(record, part, isSeveral));
  return [{ kind: "leak", text: `${leakText(leak)} (${list})`, advice, places }];
}

function summaryOf(parts: RowsByPart, identity: ImageIdentity): DataSummary {
  const records = Object.values(parts).flatMap((rows) => rows ?? []);
  const ofType = (type: VqaRecord["answerType"]) => records.filter(({ answerType }) => answerType === type).length;
  return {
    rows: Object.fromEntries(Object.entries(parts).map(([part, rows]) => [part, rows?.length ?? 0])),
    images: new Set(records.map(({ image }) => identity(image))).size,
    groups: new Set(records.flatMap(({ group }) => group || [])).size,
    answerTypes: { closed: ofType("CLOSED"), open: ofType("OPEN"), unknown: ofType(undefined) },
    answers: counted(records.map(({ answer }) => normaliseAnswer(answer))),
    questions: counted(
      records.map(({ question, asks = question }) => /[\p{L}\p{N}]+/u.exec(asks)?.[0].toLowerCase() ?? ""),
    ),
    categories: counted(records.flatMap(({ category }) => category ?? [])),
    balance: balanceOf(filled(parts)),
  };
}

/** The most frequent first, equals by name. */
function counted(values: readonly string[]): Count[] {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts]
    .map(([name, count]) => ({ name, count }))
    .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
}
