import type { Scores } from "../../../models/index.js";
import type { Bar, BarGroup } from "../../report/data.js";
import type { Majority } from "./evaluation.js";

const GROUPS = { global: "All questions", closed: "Yes or no", opened: "All others" } as const;

/** Accuracy on all questions and on each kind of them: the model, those it is compared with, and the most common answer. */
export function accuracyBars(
  model: Scores,
  baselines: Readonly<Record<string, Scores>>,
  majority: Majority | null,
): BarGroup[] {
  return (["global", "closed", "opened"] as const).map((part) => {
    const bar = (label: string, kind: Bar["kind"], { published }: Scores): Bar => {
      const { accuracy, interval } = published[part];
      return { label, kind, share: accuracy, ...interval };
    };
    const bars = [bar("this model", "model", model)];
    for (const [label, scores] of Object.entries(baselines)) bars.push(bar(label, "baseline", scores));
    if (majority) {
      const { answer, accuracy, interval } = majority[part];
      bars.push({ label: `always "${answer}"`, kind: "baseline", share: accuracy, ...interval });
    }
    return { label: GROUPS[part], total: model.published[part].total, bars };
  });
}
