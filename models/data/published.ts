/**
 * Rows in the forms that MISS and MILE read: a JSON array or JSON lines each. What their readers do by mistake is named here, is
 * not done, and can be had with `referenceBugs`. Grey images, for which only some of them care, have three channels in all.
 */
import { normaliseAnswer } from "./answers.js";
import { Augmentation, type AugmentationInput } from "./augment/augmentation.js";
import { itemsOf } from "./json-items.js";
import { Faults, type ProblemKind } from "./problem.js";
import { type AnswerType, type Asked, imagePath, type VqaRecord } from "./record.js";
import type { ParsedTable, TableRow } from "./table.js";

interface Form {
  /** For help and errors. */
  readonly about: string;
  /** The key of the image; rsna's images are keys themselves. */
  readonly image: "img_name" | "image_name" | null;
  /** A list of prompts stands in the place of the question. */
  readonly isPool?: true;
  /** Another name of the image file. */
  renamed?(name: string): string;
  /** What the reader changes each time that it gives a row. */
  augmentations?(bugs: boolean): AugmentationInput[];
  /** What it does by mistake, as a sentence; absent where nothing is known. */
  readonly bug?: string;
}

const ordinary = { image: "img_name" } as const;

const FORMS: Readonly<Record<PublishedForm, Form>> = {
  slake: { ...ordinary, about: "SLAKE: img_name, question, answer, qid" },
  rad: {
    image: "image_name",
    about: "VQA-RAD: image_name, question, answer, qid",
    bug: "The reader of VQA-RAD loses the first row: it reads one line before its loop starts.",
  },
  tuning: { image: "image_name", about: "the same as one JSON array, every row read" },
  ordinary: { ...ordinary, about: "img_name, question, answer, qid; grey images among them" },
  instruction: {
    ...ordinary,
    isPool: true,
    about: "img_name, question_pool (prompts, one drawn each time), answer, qid",
  },
  "slake-test": {
    ...ordinary,
    about: "as ordinary, with xmlab7/source.jpg kept as slake_7.png",
    renamed: (name) => name.replace(/^xmlab(\d+)\/source\.jpg$/, "slake_$1.png"),
  },
  rsna: {
    image: null,
    about: '{"IMAGE without .png": {"KIND": [{"input": question, "output": answer}]}}, kind and pair drawn each time',
    renamed: (name) => `${name}.png`,
  },
  "slake-noise": {
    ...ordinary,
    about: "as ordinary, with Gaussian noise on half of the images",
    augmentations: (published) => [{ name: "gaussian-noise", published }],
    bug: "Its noise has the variance 0.1 of pixels from 0 to 255, which cannot be seen, and is cut to whole numbers modulo 256.",
  },
  "slake-swap": {
    ...ordinary,
    about: "as ordinary, with two random words of a question swapped, twice",
    augmentations: () => [{ name: "word-swap" }],
  },
  "slake-delete": {
    ...ordinary,
    about: "as ordinary, with each word of a question left out with probability 0.2",
    augmentations: () => [{ name: "word-delete" }],
    bug: "It cannot be run: the method that leaves out words lacks its `self`, and the first row ends with a TypeError.",
  },
};

/** A form of the published readers. */
export type PublishedForm =
  | "slake"
  | "rad"
  | "tuning"
  | "ordinary"
  | "instruction"
  | "slake-test"
  | "rsna"
  | "slake-noise"
  | "slake-swap"
  | "slake-delete";
/** All of them. */
export const publishedForms = Object.keys(FORMS) as PublishedForm[];

/** A line for each: what it is, and what its published reader does by mistake. */
export const publishedFormsHelp: readonly FormHelp[] = publishedForms.map((form) => {
  const { about, bug } = FORMS[form];
  return { form, about, bug: bug ?? null };
});

/** What is told of a form. */
export interface FormHelp {
  /** Its name. */
  readonly form: PublishedForm;
  /** What a row of it is. */
  readonly about: string;
  /** What its published reader does by mistake; null where nothing is known. */
  readonly bug: string | null;
}

/** What the published reader of a form changes about a question or an image each time that training uses a row. */
export const formAugmentations = (form: PublishedForm, referenceBugs = false): Augmentation[] =>
  (FORMS[form].augmentations?.(referenceBugs) ?? []).map((step) => Augmentation.parse(step));

/** How a published form is read. */
export interface PublishedOptions {
  /** Where the images are. */
  readonly imageFolder: string;
  /** Does what the published reader does by mistake. */
  readonly referenceBugs?: boolean;
  /** Leaves out what has another `q_lang`. */
  readonly language?: string;
}

/** The rows of a text in a published form; what is wrong with single rows comes back as problems, without these rows. */
export function parsePublished(
  text: string,
  fileName: string,
  form: PublishedForm,
  { imageFolder, referenceBugs = false, language }: PublishedOptions,
): ParsedTable {
  const { about, bug } = FORMS[form];
  const hint = `It holds rows in the form ${form}, ${about}; others are ${publishedForms.filter((other) => other !== form).join(", ")}`;
  const faults = new Faults();
  if (referenceBugs && form === "slake-delete")
    faults.add("file", `as published it cannot be read: ${bug}`, "Leave the reference's bugs out", "line 1");
  const items = itemsOf(text, fileName, hint);
  const reader = new RowReader(form, imageFolder, faults, hint);
  const rows = items.flatMap(({ line, value, error }, i): TableRow[] => {
    const at = { row: i, ...(line !== undefined && { line }) };
    if (language && isObject(value) && typeof value.q_lang === "string" && value.q_lang !== language) return [];
    if (!error) return reader.rows(value, at);
    faults.add("bad value", error.what, error.advice, `line ${line}`);
    return [];
  });
  // Rows of a form that has several of them in one item are numbered through.
  const numbered = form === "rsna" ? rows.map((row, i) => ({ ...row, row: i, qid: String(i) })) : rows;
  const kept = referenceBugs && form === "rad" ? numbered.filter(({ row }) => row > 0) : numbered;
  return { rows: kept, faulty: reader.faulty, problems: faults.problems(items.length) };
}

type At = Pick<VqaRecord, "row" | "line">;
type Fields = Readonly<Record<string, unknown>>;

/** Makes rows of values, and tells what is wrong with the others. */
class RowReader {
  /** Rows with a fault, as far as they can be read. */
  readonly faulty: TableRow[] = [];
  readonly #form: Form;
  readonly #folder: string;
  readonly #faults: Faults;
  readonly #hint: string;
  readonly #ids = new Set<string>();

  constructor(form: PublishedForm, folder: string, faults: Faults, hint: string) {
    this.#form = FORMS[form];
    this.#folder = folder;
    this.#faults = faults;
    this.#hint = hint;
  }

  rows(value: unknown, at: At): TableRow[] {
    if (!isObject(value)) {
      this.#fault(at, "bad value", "not an object");
      return [];
    }
    return this.#form.image === null ? this.#pairs(value, at) : [this.#row(value, at)].filter((row) => row !== null);
  }

  #fault({ line, row }: At, kind: ProblemKind, what: string, advice = this.#hint): null {
    this.#faults.add(kind, what, advice, line === undefined ? `item ${row + 1}` : `line ${line}`);
    return null;
  }

  #row(fields: Fields, at: At): TableRow | null {
    const { image: key, isPool, renamed = (name: string) => name } = this.#form;
    const image = this.#text(fields, key as string, at);
    const prompts = isPool ? this.#prompts(fields, at) : this.#text(fields, "question", at);
    const answer = this.#text(fields, "answer", at);
    const type = this.#answerType(fields.answer_type, answer, at);
    const qid = this.#id(fields.qid, at);
    if (image === null) return null;
    const questions = typeof prompts === "string" ? [prompts] : (prompts ?? [""]);
    const category = textOf(fields.location) ?? textOf(fields.image_organ);
    const read = { image: this.#imagePath(renamed(image)), question: questions[0], ...at };
    const asks = isPool && { asks: questionInside(questions) };
    if (prompts === null || answer === null || type === null || qid === null) {
      this.faulty.push({ ...read, ...asks, answer: answer ?? "", qid: qid ?? String(at.row) });
      return null;
    }
    return {
      ...read,
      answer,
      answerType: type,
      ...(category && { category }),
      qid,
      ...(isPool && { ...asks, pool: questions.map((question) => [{ question, answer }]) }),
    };
  }

  /** Every image of an item, with the pairs of each kind of question. */
  #pairs(fields: Fields, at: At): TableRow[] {
    if (Object.keys(fields).length === 0) this.#fault(at, "bad value", "no image");
    return Object.entries(fields).flatMap(([name, kinds]): TableRow[] => {
      const image = this.#imagePath(this.#form.renamed?.(name) ?? name);
      const lists = isObject(kinds) ? Object.values(kinds) : [];
      const pool = lists.map((list): Asked[] =>
        (Array.isArray(list) ? list : []).flatMap((pair) => {
          const [question, answer] = isObject(pair) ? [textOf(pair.input), textOf(pair.output)] : [];
          return question?.trim() && answer?.trim() ? [{ question, answer }] : [];
        }),
      );
      const given = lists.reduce((sum: number, list) => sum + (Array.isArray(list) ? list.length : 1), 0);
      if (given === 0 || pool.some((list) => list.length === 0) || pool.flat().length !== given) {
        this.#fault(
          at,
          "bad value",
          `${JSON.stringify(name)} lacks pairs of input and output, or has others than texts`,
        );
        this.faulty.push({ image, question: "", answer: "", qid: "", ...at });
        return [];
      }
      const [{ question, answer }] = pool[0];
      return [{ image, question, answer, answerType: typeOf(answer), qid: "", ...at, pool }];
    });
  }

  #imagePath = (name: string) => (this.#folder === "" ? name : imagePath(this.#folder, name));

  #text(fields: Fields, key: string, at: At): string | null {
    const text = textOf(fields[key]);
    if (text?.trim()) return text;
    if (text !== null) return this.#fault(at, "empty value", `"${key}" is empty`, "Fill it, or take these rows out");
    const what = fields[key] === undefined || fields[key] === null ? "is not there" : "is no text";
    return this.#fault(at, "bad value", `"${key}" ${what}`);
  }

  #prompts({ question_pool: pool }: Fields, at: At): string[] | null {
    if (!Array.isArray(pool) || pool.length === 0)
      return this.#fault(at, "bad value", '"question_pool" is no list of prompts');
    if (pool.every((prompt) => typeof prompt === "string" && prompt.trim() !== "")) return pool;
    return this.#fault(at, "empty value", "a prompt is empty, or is no text", "Fill it, or take it out");
  }

  #answerType(given: unknown, answer: string | null, at: At): AnswerType | null {
    const word = textOf(given)?.trim().toUpperCase();
    if (!word) return typeOf(answer ?? "");
    if (word === "OPEN") return "OPEN";
    if (word === "CLOSED" || word === "CLOSE") return "CLOSED";
    const what = `"answer_type" is ${JSON.stringify(given)}`;
    return this.#fault(at, "answer type", what, "Write OPEN or CLOSED, or leave it out");
  }

  #id(given: unknown, at: At): string | null {
    const id = textOf(given)?.trim();
    if (!id) return String(at.row);
    if (this.#ids.has(id))
      return this.#fault(at, "duplicate id", '"qid" is that of an earlier row', "Give each row its own");
    this.#ids.add(id);
    return id;
  }
}

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const textOf = (value: unknown): string | null =>
  typeof value === "string" ? value : typeof value === "number" ? String(value) : null;

const typeOf = (answer: string): AnswerType => (["yes", "no"].includes(normaliseAnswer(answer)) ? "CLOSED" : "OPEN");

/** What the prompts of a pool ask: what most of them have in their first braces, `Question:{Where?}Option:{...}`; else the first prompt. */
function questionInside(prompts: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const prompt of prompts) {
    const inside = /\{([^{}]*)\}/.exec(prompt)?.[1].trim();
    if (inside) counts.set(inside, (counts.get(inside) ?? 0) + 1);
  }
  const [most] = [...counts].sort((a, b) => b[1] - a[1]);
  return most?.[0] ?? prompts[0];
}
