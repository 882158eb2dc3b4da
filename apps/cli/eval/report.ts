import { basename } from "node:path";
import type { Scores } from "../../../models/index.js";
import type { Fact, Notice, ReportData, StageData } from "../../report/data.js";
import { count } from "../terminal/format.js";
import { accuracyBars } from "./accuracy-bars.js";
import { environment } from "./environment.js";
import type { Evaluation, Majority } from "./evaluation.js";
import { gallery } from "./gallery.js";

export interface EvaluationReport {
  readonly model: string;
  /** The data set, and which part of it, in words. */
  readonly data: string;
  readonly device: { readonly name: string; readonly description: string };
  readonly evaluation: Evaluation;
  readonly majority: Majority | null;
  readonly baseline: Scores | null;
  /** How model and baseline compare, in words; empty without a baseline. */
  readonly comparison: string;
  readonly leak: string | null;
  /** What else to know before the numbers. */
  readonly cautions: readonly Notice[];
  /** A control instead of the real images, in words. */
  readonly control: string | null;
  readonly seed: number;
  readonly images: boolean;
  /** Of the training that made the model, where it was just done: its curves are shown. */
  readonly training?: { readonly history: StageData["history"]; readonly facts: readonly Fact[] };
}

/** An evaluation as the report shows it. */
export async function evaluationReport(report: EvaluationReport): Promise<ReportData> {
  const {
    model,
    data,
    device,
    evaluation,
    majority,
    baseline,
    leak,
    control,
    comparison,
    seed,
    images,
    cautions,
    training,
  } = report;
  const { records } = evaluation;
  return {
    title: `consilium: ${basename(model)} on ${data}`,
    lede: "Medical visual question answering: a model measured on a data set.",
    notices: [...(control ? [{ head: "A control, not the model's result.", text: control }] : []), ...cautions],
    environment: environment(device),
    departures: [],
    stages: [
      {
        id: "evaluation",
        title: "Results",
        about: "",
        facts: [
          { name: "model", value: model },
          { name: "data", value: data },
          { name: "questions", value: count(records.length) },
          { name: "images", value: count(new Set(records.map((record) => record.image)).size) },
          ...(training?.facts ?? []),
        ],
        leak,
        history: training?.history ?? null,
        groups: accuracyBars(evaluation.scores, baseline ? { baseline } : {}, majority),
        comparison,
        gallery: await gallery(evaluation, seed, images),
      },
    ],
    sources: "Images and questions are those of the data set named above.",
  };
}
