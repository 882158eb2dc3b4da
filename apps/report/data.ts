/** What a report shows: plain data, so that it can be written from a run or from its JSON. Shares are from 0 to 1. */
export interface ReportData {
  readonly title: string;
  /** A smoke run: the page says that its numbers mean nothing. */
  readonly fast: boolean;
  readonly seconds: number;
  readonly environment: readonly Fact[];
  readonly departures: readonly (readonly [setting: string, why: string])[];
  readonly stages: readonly StageData[];
}

export interface Fact {
  readonly name: string;
  readonly value: string;
}

export interface StageData {
  readonly id: string;
  readonly title: string;
  readonly about: string;
  readonly facts: readonly Fact[];
  readonly history: { readonly loss: readonly number[]; readonly lr: readonly number[] };
  readonly groups: readonly BarGroup[];
  /** How the model compares with the one that sees no image, in words. */
  readonly comparison: string;
  readonly gallery: readonly GalleryItem[];
}

export interface BarGroup {
  readonly label: string;
  /** Questions that the group counts. */
  readonly total: number;
  readonly bars: readonly Bar[];
}

export interface Bar {
  readonly label: string;
  /** `model` is drawn in the accent colour. */
  readonly kind: "model" | "baseline";
  readonly share: number;
  /** 95 % interval. */
  readonly low: number;
  readonly high: number;
}

export interface GalleryItem {
  /** data: URI of the image file as the data set has it. */
  readonly image: string;
  readonly question: string;
  readonly answer: string;
  readonly prediction: string;
  readonly probability: number;
  readonly correct: boolean;
}
