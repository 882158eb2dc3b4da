/** Data sets: tables, the published forms, conversations, captions; answers and routing, which are made of them. */
import { io } from "../../../engine/index.js";
import { loadConversations, loadQuestionFiles } from "../../../models/data/conversations.js";
import { type PublishedForm, publishedForms } from "../../../models/data/published.js";
import { loadSlake } from "../../../models/data/slake.js";
import { parseTable, readTableFile } from "../../../models/data/table.js";
import { loadVqaRadFile } from "../../../models/data/vqa-rad.js";
import { classifiedImages, loadAnswers } from "../../../models/eval/med-moe/answers.js";
import { parseRouting } from "../../../models/med-moe/routing/routing-record.js";
import { summarizeRouting } from "../../../models/med-moe/routing/routing-summary.js";
import { CaptionData, parseCaptions } from "../../../models/miss/pretrain/captions.js";
import { type Format, promise, type Sample } from "../format.js";
import { utf8 } from "../mutations/bytes.js";
import { isJson, mutateJson, mutateJsonLines } from "../mutations/json.js";
import { hasColumns, mutateTable } from "../mutations/table.js";
import { byName } from "./kinds.js";

const row = (i: number) => ({
  qid: i,
  img_name: `a${i}.png`,
  question: `Where is ${i}?`,
  answer: "left",
  location: "Lung",
  q_lang: "en",
});
const rad = (i: number) => ({
  qid: i,
  image_name: `a${i}.jpg`,
  question: `Is it ${i}?`,
  answer: i,
  answer_type: "CLOSED ",
  image_organ: "HEAD",
});
const pool = (i: number) => ({
  ...row(i),
  question_pool: [`<image>Question:{Where?}Option:{(a)left; (b)right} ${i}:`, "<image>{Where?}"],
});
const pairs = (i: number) => ({
  [`image-${i}`]: {
    detection: [{ input: "Is it there?", output: "yes" }],
    size: [{ input: "How large?", output: "9 mm" }],
  },
});

const ROWS: Readonly<Record<PublishedForm, (i: number) => object>> = {
  ...{ slake: row, ordinary: row, "slake-test": row, "slake-noise": row, "slake-swap": row, "slake-delete": row },
  ...{ rad, tuning: rad, instruction: pool, rsna: pairs },
};

const formOf = ({ name }: Sample) => name.slice(0, name.lastIndexOf(".")) as PublishedForm;
const many = (make: (i: number) => object) => [1, 2, 3, 4].map(make);
const list = (make: (i: number) => object) => utf8(JSON.stringify(many(make)));
const lines = (make: (i: number) => object) =>
  utf8(
    many(make)
      .map((value) => `${JSON.stringify(value)}\n`)
      .join(""),
  );

/** A file as one list or as lines, by its name. */
const listOrLines: Pick<Format, "mutate" | "isPastHeader"> = {
  mutate: (bytes, random, { name }) =>
    name.endsWith(".json") ? mutateJson(bytes, random) : mutateJsonLines(bytes, random),
  isPastHeader: (bytes, sample) =>
    sample.name.endsWith(".json") ? isJson(bytes, "list") : byName.isPastHeader(bytes, sample),
};

export const forms: Format = {
  name: "published forms",
  share: 8,
  header: "JSON, a list; JSON lines, the first of them",
  ...listOrLines,
  samples: () =>
    publishedForms.flatMap((form) => [
      { name: `${form}.json`, bytes: list(ROWS[form]) },
      { name: `${form}.jsonl`, bytes: lines(ROWS[form]) },
    ]),
  async read(path, sample) {
    const form = formOf(sample);
    const { text } = await readTableFile(path);
    for (const referenceBugs of [false, true]) await parseTable(text, path, { form, referenceBugs });
    if (form === "slake") await loadSlake(path, "images", { requireImages: false });
    if (form === "rad") await loadVqaRadFile(path, "images", { requireImages: false });
  },
};

const HEADER = ["image", "question", "answer", "group", "answer_type", "split", "id", "category"];
const cells = (i: number) => [
  `a${i}.png`,
  `Where is it, ${i}?`.replace(",", ""),
  i % 2 ? "yes" : "left",
  `p${i}`,
  "",
  "train",
  `${i}`,
  "Lung",
];
const separated = (delimiter: string) =>
  utf8([HEADER, ...[1, 2, 3, 4, 5].map(cells)].map((fields) => `${fields.join(delimiter)}\n`).join(""));
const delimiterOf = (name: string) => (name.endsWith(".tsv") ? "\t" : ",");

export const tables: Format = {
  name: "tables",
  share: 7,
  header: "a first line with the columns that are needed; JSON lines, the first of them",
  samples: () => [
    { name: "rows.csv", bytes: separated(",") },
    { name: "rows.tsv", bytes: separated("\t") },
    {
      name: "rows.jsonl",
      bytes: lines((i) => Object.fromEntries(cells(i).map((cell, at) => [HEADER[at], cell]))),
    },
  ],
  mutate: (bytes, random, { name }) =>
    name.endsWith(".jsonl") ? mutateJsonLines(bytes, random) : mutateTable(bytes, random, delimiterOf(name)),
  isPastHeader: (bytes, sample) =>
    sample.name.endsWith(".jsonl")
      ? byName.isPastHeader(bytes, sample)
      : hasColumns(bytes, delimiterOf(sample.name), ["image", "question", "answer"]),
  async read(path) {
    const { text } = await readTableFile(path);
    const { rows } = await parseTable(text, path);
    promise(
      rows.every(({ question, answer, image }) => question.trim() && answer.trim() && image),
      "no empty cells",
    );
    await parseCaptions(text, CaptionData.parse({ file: path, columns: { captions: ["question"] } }), null);
  },
};

const turns = (i: number) => [
  { from: "human", value: `<image>\nWhere is ${i}?` },
  { from: "gpt", value: "Left." },
];
const conversation = (i: number) => ({
  id: `${i}`,
  image: [`a${i}.jpg`],
  conversations: turns(i),
  answer_type: "OPEN",
  modality: "MRI",
});

export const conversations: Format = {
  name: "conversations",
  share: 5,
  header: "JSON, a list; JSON lines, the first of them",
  ...listOrLines,
  samples: () => [
    { name: "stage.json", bytes: list(conversation) },
    { name: "stage.jsonl", bytes: lines(conversation) },
    { name: "questions.jsonl", bytes: lines((i) => ({ question_id: i, image: `a${i}.jpg`, text: "Where?" })) },
  ],
  read: (path, { name }) =>
    (name.startsWith("questions") ? loadQuestionFiles : loadConversations)([path], { requireImages: false }),
};

const answer = (i: number) => ({
  ...{ question_id: i, prompt: "Where?", text: "left", answer_id: "a", model_id: "m" },
  metadata: { class: "CT", said: i % 2 ? "CT" : null },
});

export const answers: Format = {
  name: "answers",
  share: 3,
  header: "JSON lines, the first of them",
  ...byName,
  samples: () => [{ name: "answers.jsonl", bytes: lines(answer) }],
  read: async (path) => classifiedImages(await loadAnswers([path]), path),
};

const routing = (i: number) => ({
  ...{ question_id: `${i}`, layers: [0, 2], experts: [4, 4], top_k: 2, prompt: 3, images: [[0, 2]] },
  choices: [0, 1].map(() => [0, 1, 2, 3, 0, 1, 2, 3]),
  weights: [0, 1].map(() => [0.5, 0.5, 0.25, 0.75, 1, 0, 0.5, 0.5]),
});

export const routings: Format = {
  name: "routing",
  share: 3,
  header: "JSON lines, the first of them",
  ...byName,
  samples: () => [{ name: "routing.jsonl", bytes: lines(routing) }],
  read: async (path) => summarizeRouting(parseRouting(await io.readText(path, "It holds routing"), path)),
};
