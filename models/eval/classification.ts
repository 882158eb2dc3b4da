/** Scores of images that were put into classes. */
import { type Accuracy, accuracyOf } from "./metrics.js";

/** An image's class, and what was said of it. */
export interface Classified {
  /** The true class. */
  readonly label: string;
  /** The class that was said; null where the answer names none of them, or several. */
  readonly said: string | null;
}

/** Of one class. */
export interface ClassScore {
  /** Its name. */
  readonly name: string;
  /** Images of the class that were said to be of it: its recall. */
  readonly recall: Accuracy;
  /** Images that were said to be of the class, rightly or not. */
  readonly said: number;
  /** Share of those that are; NaN where none was said to be. */
  readonly precision: number;
  /** Harmonic mean of precision and recall; 0 where no image was put there rightly. */
  readonly f1: number;
}

/** How well images were put into classes. */
export interface ClassificationScores {
  /** Of all images; an answer that names no class is wrong. */
  readonly all: Accuracy;
  /** Mean of the classes' recalls, of those that have images: what always saying the largest class does not raise. */
  readonly balanced: number;
  /** Answers that name no class, or several. */
  readonly unnamed: number;
  /** In the order of the classes. */
  readonly classes: readonly ClassScore[];
  /** Images by true class and class said; a last column has the answers that name none. */
  readonly confusion: readonly (readonly number[])[];
}

/** Every label, and every class that was said, is one of `classes`. */
export function scoreClasses(items: readonly Classified[], classes: readonly string[]): ClassificationScores {
  const confusion = classes.map(() => new Array<number>(classes.length + 1).fill(0));
  for (const { label, said } of items)
    confusion[classes.indexOf(label)][said === null ? classes.length : classes.indexOf(said)]++;
  const scored = classes.map((name, c): ClassScore => {
    const own = items.filter(({ label }) => label === name);
    const recall = accuracyOf(own.map(({ said }) => said === name));
    const said = confusion.reduce((sum, row) => sum + row[c], 0);
    const precision = recall.correct / said;
    return { name, recall, said, precision, f1: (2 * recall.correct) / Math.max(1, said + recall.total) };
  });
  const present = scored.filter(({ recall }) => recall.total > 0);
  return {
    all: accuracyOf(items.map(({ label, said }) => label === said)),
    balanced: present.reduce((sum, { recall }) => sum + recall.accuracy, 0) / present.length,
    unnamed: items.filter(({ said }) => said === null).length,
    classes: scored,
    confusion,
  };
}
