import type { Device } from "../../../engine/index.js";
import {
  type Answering,
  type LoadReport,
  MissVqa,
  majorityBaselines,
  marks,
  type Prediction,
  type Scores,
  score,
  type VqaRecord,
} from "../../../models/index.js";
import { percent } from "../terminal/format.js";
import { table } from "../terminal/table.js";

export interface Evaluation {
  readonly records: readonly VqaRecord[];
  readonly predictions: readonly Prediction[];
  readonly scores: Scores;
}

export interface EvaluateOptions {
  readonly device: Device;
  readonly signal?: AbortSignal;
  /** Changes how the model's folder says that answers are found. */
  readonly answering?: (saved: Answering) => Answering;
  /** Questions computed at a time, where those that are padded together are too many. */
  readonly atATime?: number;
  onLoaded?(folder: string, report: LoadReport): void;
  onProgress?(done: number, total: number): void;
}

/** Questions that are padded together: ranking scores many answers for each, so more would only take memory. */
const BATCH = 32;

/** Loads the model of a folder from its files, as a user would, and answers the questions. */
export async function evaluate(
  folder: string,
  records: readonly VqaRecord[],
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { device, signal, atATime, onLoaded, onProgress } = options;
  using model = await MissVqa.load(folder, { device });
  onLoaded?.(folder, model.loaded);
  const images = model.imageStore();
  await images.load(
    records.map((r) => r.image),
    signal,
  );
  const saved = model.folder.answering;
  const answering = options.answering?.(saved) ?? saved;
  const predictions = await model.answerAll(records, images, { signal, onProgress, answering, batch: BATCH, atATime });
  return {
    records,
    predictions,
    scores: score(
      records,
      predictions.map((p) => p.answer),
    ),
  };
}

/** Which answers are right, question by question. */
export const marksOf = ({ records, predictions }: Pick<Evaluation, "records" | "predictions">): boolean[] =>
  marks(
    records,
    predictions.map((p) => p.answer),
  );

type Accuracy = Scores["published"]["global"];

/** The parts of a result, in the order that they are shown. */
function parts({ published, byType, byCategory }: Scores): [key: string, label: string, accuracy: Accuracy][] {
  return [
    ["opened", "opened (not yes/no)", published.opened],
    ["closed", "closed (yes/no)", published.closed],
    ["global", "global", published.global],
    ["typeOpen", "OPEN, as the data set says", byType.open],
    ["typeClosed", "CLOSED, as the data set says", byType.closed],
    ...Object.entries(byCategory).map(([name, accuracy]): [string, string, Accuracy] => [
      `category:${name}`,
      name.toLowerCase(),
      accuracy,
    ]),
  ];
}

/** Shares from 0 to 1, and under `details` what each is made of, with its 95 % interval. */
export function metricsOf(scores: Scores) {
  const { opened, closed, global } = scores.published;
  const details = parts(scores).map(([key, , { correct, total, interval }]) => [key, { correct, total, ...interval }]);
  return {
    opened: opened.accuracy,
    closed: closed.accuracy,
    global: global.accuracy,
    details: Object.fromEntries(details),
  };
}

/** The answer that is most common in training, for all questions and for each kind. */
export function majorityOf(train: readonly VqaRecord[], test: readonly VqaRecord[]) {
  const { opened, closed, global, typeOpen, typeClosed } = majorityBaselines(train, test);
  const share = ({ answer, accuracy }: typeof global) => ({
    answer,
    accuracy: accuracy.accuracy,
    interval: accuracy.interval,
  });
  const named = { opened: share(opened), closed: share(closed), global: share(global) };
  return { ...named, typeOpen: share(typeOpen), typeClosed: share(typeClosed) };
}

export type Majority = ReturnType<typeof majorityOf>;

/** The table that train and eval print: accuracy beside the baselines. */
export function scoreTable(
  scores: Scores,
  majority: Majority | null,
  others: Readonly<Record<string, Scores>> = {},
): string {
  const others_ = Object.entries(others).map(([name, s]) => ({ name, rows: parts(s) }));
  const head = [
    "",
    "accuracy",
    "95 % interval",
    "questions",
    ...(majority ? ["majority"] : []),
    ...others_.map(({ name }) => name),
  ];
  const rows = parts(scores).map(([key, label, { accuracy, interval, total }], i) => [
    label,
    percent(accuracy),
    total === 0 ? "" : `${percent(interval.low)} to ${percent(interval.high)}`,
    String(total),
    ...(majority ? [key in majority ? percent(majority[key as keyof Majority].accuracy) : ""] : []),
    ...others_.map((other) => percent(other.rows[i][2].accuracy)),
  ]);
  return table([head, ...rows]);
}
