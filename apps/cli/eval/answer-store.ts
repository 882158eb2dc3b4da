import { rm, stat } from "node:fs/promises";
import { onFile } from "../../../bindings/platform/node-file-error.js";
import { ignore } from "../../../bindings/platform/node-files.js";
import { io } from "../../../engine/index.js";
import { type AnswerLine, type Conversation, questionText, type RoutingRecord } from "../../../models/index.js";
import { writeFileIn } from "../terminal/output.js";
import { type Line, LineFile } from "./line-file.js";

/** What answers depend on, by name. */
export type StoreSettings = Readonly<Record<string, unknown>>;

export interface StoreOptions {
  /** Where answers go, a line each. */
  readonly answers: string;
  /** Where their routing goes; absent for nowhere. */
  readonly gating?: string;
  readonly questions: readonly Conversation[];
  /** Answers that were given under others are not gone on with. */
  readonly settings: StoreSettings & { readonly singlePrediction: boolean };
  /** Forgets what is there. */
  readonly restart: boolean;
}

/**
 * The answers of an evaluation, which may end at any time and goes on where it was: each answer is on the disk before the next
 * question. Beside FILE stands FILE.settings.json, so that answers of two models or templates never stand in one file.
 */
export class AnswerStore {
  readonly #answers: LineFile;
  readonly #routing: LineFile | null;
  readonly #questions: readonly Conversation[];

  private constructor(answers: LineFile, routing: LineFile | null, questions: readonly Conversation[]) {
    this.#answers = answers;
    this.#routing = routing;
    this.#questions = questions;
  }

  /** Throws FileFormatError where the file holds answers of another evaluation. */
  static async open({ answers, gating, questions, settings, restart }: StoreOptions): Promise<AnswerStore> {
    const beside = `${answers}.settings.json`;
    if (restart) for (const file of [answers, beside, gating]) if (file) await onFile(file, rm(file, { force: true }));
    const size = (await onFile(answers, stat(answers).catch(ignore("ENOENT"))))?.size ?? 0;
    if (size > 0) await checkSettings(answers, beside, settings);
    const file = await LineFile.open(answers);
    checkQuestions(file, questions, settings);
    await writeFileIn(beside, `${JSON.stringify(settings, null, 2)}\n`);
    return new AnswerStore(file, gating === undefined ? null : await LineFile.open(gating), questions);
  }

  /** Questions without an answer, or without its routing. */
  get open(): Conversation[] {
    const done = byId(this.#answers.lines);
    const routed = this.#routing && byId(this.#routing.lines);
    return this.#questions.filter(({ id = "" }) => !done.has(id) || (routed && !routed.has(id)));
  }

  async add(answer: AnswerLine, routing: RoutingRecord | null): Promise<void> {
    // The answer comes last: a question that has one has all.
    if (routing) await this.#routing?.append({ ...routing });
    await this.#answers.append(answer);
  }

  /** Puts the lines into the order of the questions. */
  async finish(): Promise<AnswerLine[]> {
    const answers = this.#ordered(this.#answers);
    await this.#answers.finish(answers);
    await this.#routing?.finish(this.#ordered(this.#routing));
    return answers as AnswerLine[];
  }

  /** Leaves the files as they are. */
  async close(): Promise<void> {
    await this.#answers.close();
    await this.#routing?.close();
  }

  #ordered({ lines }: LineFile): Line[] {
    const found = byId(lines);
    return this.#questions.map(({ id = "" }) => found.get(id)).filter((line) => line !== undefined);
  }
}

const byId = (lines: readonly Line[]) => new Map(lines.map((line) => [String(line.question_id), line]));

const AGAIN = "Name another --answers-file, or answer all questions anew with --restart";

async function checkSettings(answers: string, beside: string, settings: StoreSettings): Promise<void> {
  const found = await stat(beside).catch(() => null);
  if (!found)
    throw new io.FileFormatError(answers, `it holds answers, and no ${beside} says how they were given`, AGAIN);
  const saved = io.parseJson(await io.readText(beside, AGAIN), beside) as StoreSettings;
  const text = (value: unknown) => JSON.stringify(value) ?? "not given";
  const changed = [...new Set([...Object.keys(saved), ...Object.keys(settings)])]
    .filter((key) => text(saved[key]) !== text(settings[key]))
    .map((key) => `${key} was ${text(saved[key])}, is ${text(settings[key])}`);
  if (changed.length > 0)
    throw new io.FileFormatError(answers, `its answers were given otherwise: ${changed.join("; ")}`, AGAIN);
}

function checkQuestions(file: LineFile, questions: readonly Conversation[], settings: StoreOptions["settings"]): void {
  const asked = new Map(questions.map((question) => [question.id, question]));
  for (const [i, { question_id, prompt }] of file.lines.entries()) {
    const question = asked.get(String(question_id));
    const fail = (what: string) => new io.FileFormatError(`${file.path}:${i + 1}`, what, AGAIN);
    if (!question) throw fail(`it answers question ${question_id}, which is not asked here`);
    if (prompt !== questionText(question, settings))
      throw fail(`question ${question_id} was asked in other words: ${JSON.stringify(prompt)}`);
  }
}
