import { basename } from "node:path";
import type { Scores } from "../../models/index.js";
import type { Bar, BarGroup, ReportData } from "../report/data.js";
import { environment } from "./environment.js";
import type { Evaluation, Majority } from "./evaluation.js";
import { count } from "./format.js";
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
  /** A control instead of the real images, in words. */
  readonly control: string | null;
  readonly seed: number;
  readonly images: boolean;
}

/** An evaluation as the report shows it. */
export async function evaluationReport(report: EvaluationReport): Promise<ReportData> {
  const { model, data, device, evaluation, leak, control, comparison, seed, images } = report;
  const { records } = evaluation;
  return {
    title: `consilium: ${basename(model)} on ${data}`,
    lede: "Medical visual question answering: a model measured on a data set.",
    notices: control ? [{ head: "A control, not the model's result.", text: control }] : [],
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
        ],
        leak,
        history: null,
        groups: groupsOf(report),
        comparison,
        gallery: await gallery(evaluation, seed, images),
      },
    ],
    sources: "Images and questions are those of the data set named above.",
  };
}

const LABELS = { global: "All questions", closed: "Yes or no", opened: "All others" } as const;

function groupsOf({ evaluation: { scores }, baseline, majority }: EvaluationReport): BarGroup[] {
  return (["global", "closed", "opened"] as const).map((part) => {
    const { accuracy, interval, total } = scores.published[part];
    const bars: Bar[] = [{ label: "this model", kind: "model", share: accuracy, ...interval }];
    if (baseline) {
      const { accuracy, interval } = baseline.published[part];
      bars.push({ label: "baseline", kind: "baseline", share: accuracy, ...interval });
    }
    if (majority) {
      const { answer, accuracy, interval } = majority[part];
      bars.push({ label: `always "${answer}"`, kind: "baseline", share: accuracy, ...interval });
    }
    return { label: LABELS[part], total, bars };
  });
}
