import { type Device, type FloatDType, OptionError } from "../../../engine/index.js";
import {
  type Conversation,
  MedMoe,
  type MedMoeAnswer,
  type MedMoeAnswerer,
  QuestionError,
  questionText,
  refuseProblems,
  type TemplateName,
  templateNamed,
} from "../../../models/index.js";
import { memoryUsed } from "../terminal/output.js";

/** All that answering depends on, as plain data: another process can be told it. */
export interface AnswerJob {
  readonly model: string;
  readonly base?: string;
  readonly tower?: string;
  readonly projector?: string;
  readonly router?: string;
  readonly topK?: 1 | 2;
  /** Whether weights are pages of their files. */
  readonly mapped: boolean;
  readonly dtype: FloatDType;
  readonly template: TemplateName;
  readonly singlePrediction: boolean;
  readonly pad: boolean;
  readonly maxNewTokens: number;
  readonly seed: number;
  /** Answers are chosen from these by their likelihood; absent where they are written freely. */
  readonly choices?: readonly string[];
  /** Whether to tell which experts the tokens had. */
  readonly routing: boolean;
}

/** What answering took of a device. */
export interface Used {
  readonly name: string;
  readonly description: string;
  readonly answered: number;
  readonly peakBytes: number;
  readonly peakRss: number;
}

/** Answers one question at a time, in this process or another. */
export interface Answerer {
  /** Rejects with a message that names the question; at once, with its reason, where the signal asks for that. */
  ask(question: Conversation, signal: AbortSignal): Promise<MedMoeAnswer>;
  /** Ends it. */
  close(): Promise<Used>;
  /** Ends it at once, whatever it does. */
  kill(): void;
}

/** Loads the model here. Rejects, naming `file`, where a question cannot be answered, as far as that is known before. */
export async function openAnswerer(
  job: AnswerJob,
  device: Device,
  questions: readonly Conversation[],
  file: string,
): Promise<Answerer> {
  const { model: folder, base, tower, projector, router, topK, dtype, mapped, routing, choices, ...settings } = job;
  const model = await MedMoe.load(folder, { device, dtype, mapped, base, tower, projector, router, topK });
  try {
    const { network } = model;
    if (routing && !network.config.moe)
      throw new OptionError(`${folder} has no mixtures of experts, so that there is no routing to save.`);
    const answerer = model.answerer({ ...settings, template: templateNamed(job.template) });
    refuseProblems(answerer.problems(questions, choices), file);
    let answered = 0;
    return {
      async ask(question, signal) {
        const answer = choices
          ? await chosen(answerer, question, choices, signal)
          : await answerer.answer(question, { routing, signal });
        answered++;
        return answer;
      },
      async close() {
        model.dispose();
        return { name: device.name, description: device.description, answered, ...memoryUsed(device) };
      },
      kill: () => model.dispose(),
    };
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** The most likely of the choices as the answer. Rejects as `ask` does. */
async function chosen(
  answerer: MedMoeAnswerer,
  question: Conversation,
  choices: readonly string[],
  signal: AbortSignal,
): Promise<MedMoeAnswer> {
  const { id = "" } = question;
  const likelihoods = await answerer.rank(question, choices, signal).catch((error) => {
    if (signal.aborted && error === signal.reason) throw error;
    throw new QuestionError(`question ${id}: ${error instanceof Error ? error.message : error}`, { cause: error });
  });
  if (likelihoods.some(Number.isNaN)) throw new QuestionError(`question ${id}: the model's logits are not finite.`);
  const text = choices[likelihoods.indexOf(Math.max(...likelihoods))];
  return { id, prompt: questionText(question, answerer.settings), text, finish: "stop", routing: null };
}

/** Hands the questions out, each to the next answerer that is free. An error, or the signal, ends it when what is under way has ended. */
export async function askAll(
  questions: readonly Conversation[],
  answerers: readonly Answerer[],
  { signal, onAnswer }: { readonly signal: AbortSignal; onAnswer(answer: MedMoeAnswer): Promise<void> },
): Promise<void> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  let next = 0;
  const work = async (answerer: Answerer) => {
    while (next < questions.length) {
      either.throwIfAborted();
      await onAnswer(await answerer.ask(questions[next++], either));
    }
  };
  const ended = await Promise.allSettled(
    answerers.map((answerer) =>
      work(answerer).catch((error) => {
        failed.abort(error);
        throw error;
      }),
    ),
  );
  signal.throwIfAborted();
  // That of the others is the same: they were told of it.
  const first = ended.find((result) => result.status === "rejected");
  if (first) throw failed.signal.reason ?? first.reason;
}
