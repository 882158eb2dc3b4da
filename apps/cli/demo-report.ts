import { readFile } from "node:fs/promises";
import { arch, cpus, release, totalmem, type } from "node:os";
import { type DeviceName, HostRandom } from "../../engine/index.js";
import { comparePaired, type Scores } from "../../models/index.js";
import type { Bar, BarGroup, Fact, GalleryItem, ReportData, StageData } from "../report/data.js";
import { departures } from "./demo-settings.js";
import { type StageResult, sinceResume } from "./demo-stage.js";
import { type Evaluation, marksOf } from "./evaluation.js";
import { bytes, clock, count, percent, short } from "./format.js";
import { packageVersion } from "./package-files.js";

const GALLERY = 12;

export interface DemoRun {
  readonly fast: boolean;
  readonly seconds: number;
  readonly device: { readonly name: DeviceName; readonly description: string };
  readonly stages: readonly StageResult[];
}

/** The demo's results as the report shows them, images included. */
export async function demoReport({ fast, seconds, device, stages }: DemoRun): Promise<ReportData> {
  return {
    title: "consilium: demo on VQA-RAD",
    fast,
    seconds,
    environment: environment(device, seconds, stages.some(sinceResume)),
    departures: departures(stages.map((stage) => stage.settings)),
    stages: await Promise.all(stages.map(stageData)),
  };
}

function environment(device: DemoRun["device"], seconds: number, resumed: boolean): Fact[] {
  return [
    { name: "device", value: device.name },
    { name: "what it is", value: device.description },
    { name: "chip", value: cpus()[0]?.model ?? arch() },
    { name: "memory", value: bytes(totalmem()) },
    { name: "system", value: `${type()} ${release()}, ${arch()}` },
    { name: "versions", value: `consilium ${packageVersion}, Node.js ${process.versions.node}` },
    { name: resumed ? "the last part of the demo took" : "the whole demo took", value: clock(seconds) },
    { name: "finished", value: new Date().toISOString().replace("T", " ").slice(0, 16) },
  ];
}

async function stageData(stage: StageResult): Promise<StageData> {
  const { settings, training, train, evaluation, config } = stage;
  const { trainable, total } = training.parameters;
  const since = sinceResume(stage);
  return {
    id: settings.name,
    title: settings.title,
    about: settings.about,
    facts: [
      { name: "parameters trained", value: `${count(trainable)} of ${count(total)}` },
      { name: "training questions", value: `${count(train.length)}, ${config.epochs} times` },
      { name: "test questions", value: count(evaluation.records.length) },
      { name: "steps", value: `${count(training.steps)} of ${config.batch} questions` },
      { name: "training and test took", value: `${clock(stage.seconds)}${since}` },
      { name: "largest memory on the device", value: `${bytes(stage.peakBytes)}${since}` },
    ],
    history: training.history,
    groups: groupsOf(stage),
    comparison: comparison(stage),
    gallery: await gallery(evaluation, config.seed),
  };
}

type Part = "global" | "closed" | "opened";
const LABELS: readonly (readonly [Part, string])[] = [
  ["global", "All questions"],
  ["closed", "Yes or no"],
  ["opened", "All others"],
];

function groupsOf({ evaluation, majority, shuffled, questionOnly }: StageResult): BarGroup[] {
  const bar = (label: string, kind: Bar["kind"], scores: Scores, part: Part): Bar => {
    const { accuracy, interval } = scores.published[part];
    return { label, kind, share: accuracy, ...interval };
  };
  return LABELS.map(([part, label]) => ({
    label,
    total: evaluation.scores.published[part].total,
    bars: [
      bar("this model", "model", evaluation.scores, part),
      bar("question only", "baseline", questionOnly.scores, part),
      bar("images shuffled", "baseline", shuffled.scores, part),
      {
        label: `always "${majority[part].answer}"`,
        kind: "baseline",
        share: majority[part].accuracy,
        ...majority[part].interval,
      },
    ],
  }));
}

function comparison({ evaluation, questionOnly }: StageResult): string {
  const { difference, interval, pValue } = comparePaired(marksOf(questionOnly), marksOf(evaluation));
  const sign = difference >= 0 ? "higher" : "lower";
  const points = (share: number) => percent(share).replace(" %", "");
  return (
    `Question by question, its accuracy is ${points(Math.abs(difference))} points ${sign} than that of the same model trained on grey ` +
    `squares instead of images, from the same start and as long (95 % interval of the difference ` +
    `${points(interval.low)} to ${points(interval.high)} points; McNemar's exact test p = ${short(pValue)}).`
  );
}

/** Test questions about different images, drawn by chance: neither the best nor the worst. */
async function gallery(evaluation: Evaluation, seed: number): Promise<GalleryItem[]> {
  const { records, predictions } = evaluation;
  const random = new HostRandom(seed, 0xf1);
  const left = records.map((_, i) => i);
  const chosen: number[] = [];
  const seen = new Set<string>();
  while (left.length > 0 && chosen.length < GALLERY) {
    const [i] = left.splice(random.below(left.length), 1);
    if (seen.has(records[i].image)) continue;
    seen.add(records[i].image);
    chosen.push(i);
  }
  const right = marksOf(evaluation);
  return Promise.all(
    chosen.map(async (i) => ({
      image: `data:image/jpeg;base64,${(await readFile(records[i].image)).toString("base64")}`,
      question: records[i].question,
      answer: records[i].answer,
      prediction: predictions[i].answer,
      probability: predictions[i].probability,
      correct: right[i],
    })),
  );
}
