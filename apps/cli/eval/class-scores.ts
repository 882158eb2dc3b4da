import { type Accuracy, type Classified, scoreClasses } from "../../../models/index.js";
import { count, percent } from "../terminal/format.js";
import { table } from "../terminal/table.js";

/** The scores as JSON documents have them. */
export function classFields(items: readonly Classified[], names: readonly string[]) {
  const { all, balanced, unnamed, classes, confusion } = scoreClasses(items, names);
  return {
    images: items.length,
    accuracy: counted(all),
    balanced,
    unnamed,
    classes: classes.map(({ name, recall, said, precision, f1 }) => ({
      name,
      recall: counted(recall),
      said,
      precision,
      f1,
    })),
    confusion,
  };
}

const counted = ({ correct, total, interval: { low, high } }: Accuracy) => ({ correct, total, low, high });

/** For people: accuracy, a row for each class, and the confusion matrix. */
export function classText(items: readonly Classified[], names: readonly string[]): string {
  const { all, balanced, unnamed, classes, confusion } = scoreClasses(items, names);
  const { correct, total, accuracy, interval } = all;
  const byClass = classes.map(({ name, recall, said, precision, f1 }) => [
    name,
    count(recall.total),
    count(said),
    percent(recall.accuracy),
    percent(precision),
    percent(f1),
  ]);
  const rows = confusion.map((row, c) => [names[c], ...row.map(count)]);
  return [
    `accuracy ${percent(accuracy)} (${count(correct)} of ${count(total)}; 95 %: ${percent(interval.low)} to ${percent(interval.high)}), ` +
      `mean over the classes ${percent(balanced)}${unnamed > 0 ? `; ${count(unnamed)} answers name no class` : ""}\n`,
    table([["class", "images", "said", "recall", "precision", "F1"], ...byClass]),
    table([["is \\ said", ...names, "none"], ...rows]),
  ].join("\n");
}
