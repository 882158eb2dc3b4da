import type { DeviceName } from "../../../engine/index.js";
import { comparePaired } from "../../../models/index.js";
import type { ReportData, StageData } from "../../report/data.js";
import { accuracyBars } from "../eval/accuracy-bars.js";
import { environment } from "../eval/environment.js";
import { marksOf } from "../eval/evaluation.js";
import { gallery } from "../eval/gallery.js";
import { cautions, leakNotice } from "../eval/leak.js";
import { bytes, clock, count, percent, short } from "../terminal/format.js";
import type { MedMoeDemoResult } from "./med-moe.js";
import { medMoeSection } from "./med-moe-report.js";
import { departures } from "./settings.js";
import { type StageResult, sinceResume } from "./stage.js";

export interface DemoRun {
  readonly fast: boolean;
  readonly seconds: number;
  readonly device: { readonly name: DeviceName; readonly description: string };
  readonly stages: readonly StageResult[];
  readonly medMoe: MedMoeDemoResult;
  /** Thumbnails of test images in the report. */
  readonly images: boolean;
}

const SMOKE = {
  head: "Smoke run (--fast):",
  text: "24 images and a few steps, to show that the parts work together. Its numbers mean nothing.",
};
const SOURCES =
  "Images and questions: VQA-RAD (Lau, Gayen, Ben Abacha, Demner-Fushman, Scientific Data 5, 180251, 2018), CC0 1.0; images " +
  "from MedPix. The questions about the part of the body come from a template over its labels and are not part of VQA-RAD.";

/** The demo's results as the report shows them. */
export async function demoReport({ fast, seconds, device, stages, medMoe, images }: DemoRun): Promise<ReportData> {
  return {
    title: "consilium: demo on VQA-RAD",
    lede: "Medical visual question answering, trained on this machine from nothing but the data below.",
    notices: [...(fast ? [SMOKE] : []), ...stages.flatMap(({ training }) => cautions(training))],
    environment: [
      ...environment(device),
      {
        name: stages.some(sinceResume) ? "the last part of the demo took" : "the whole demo took",
        value: clock(seconds),
      },
    ],
    departures: departures(stages.map((stage) => stage.settings)),
    stages: [...(await Promise.all(stages.map((stage) => stageData(stage, images)))), medMoeSection(medMoe)],
    sources: SOURCES,
  };
}

async function stageData(stage: StageResult, images: boolean): Promise<StageData> {
  const { settings, training, train, evaluation, majority, shuffled, questionOnly, config } = stage;
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
    leak: leakNotice(training.leak, config.data),
    history: training.history,
    groups: accuracyBars(
      evaluation.scores,
      { "question only": questionOnly.scores, "images shuffled": shuffled.scores },
      majority,
    ),
    comparison: comparison(stage),
    gallery: await gallery(evaluation, config.seed, images),
  };
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
