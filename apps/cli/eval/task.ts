import type { AnswerLine, Conversation, MedMoeAnswer } from "../../../models/index.js";

/** What `eval med-moe` asks, and what it makes of the answers. */
export interface EvalTask {
  readonly name: "vqa" | "classify";
  /** Where the questions come from, for messages. */
  readonly source: string;
  /** All of them, each with an id of its own. */
  readonly questions: readonly Conversation[];
  /** Where their images are. */
  readonly images: string;
  /** What answers depend on beside the model and how it is asked. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Answers are chosen from these; absent where they are written freely. */
  readonly choices?: readonly string[];
  line(answer: MedMoeAnswer, model: string): Promise<AnswerLine>;
  /** Of the answers to all questions, in their order; a string says why there are none. */
  scores(answers: readonly AnswerLine[]): TaskScores | string;
  /** The words of the command that scores the parts of an evaluation together. */
  readonly together: readonly string[];
}

export interface TaskScores {
  /** For people. */
  readonly text: string;
  /** As JSON documents have them. */
  readonly fields: object;
}
