/** What a report shows: plain data, so that it can be written from a run or from its JSON. Shares are from 0 to 1. */
export interface ReportData {
  readonly title: string;
  readonly lede: string;
  /** What a reader has to know before any number: a smoke run, a leak. */
  readonly notices: readonly Notice[];
  readonly environment: readonly Fact[];
  /** Where the run leaves the published pipeline; the section is left out where nothing is listed. */
  readonly departures: readonly (readonly [setting: string, why: string])[];
  readonly stages: readonly StageData[];
  /** Where images and questions come from. */
  readonly sources: string;
}

export interface Notice {
  readonly head: string;
  readonly text: string;
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
  /** What the test shares with training, in words; null where that is nothing. */
  readonly leak: string | null;
  /** Of a training run; null of an evaluation. */
  readonly history: { readonly loss: readonly number[]; readonly lr: readonly number[] } | null;
  readonly groups: readonly BarGroup[];
  /** How the model compares with a control, in words. */
  readonly comparison: string;
  /** Losses of other runs of the section. */
  readonly losses?: readonly { readonly title: string; readonly values: readonly number[] }[];
  /** Which experts the tokens go to. */
  readonly experts?: { readonly title: string; readonly about: string; readonly groups: readonly ShareGroup[] };
  readonly gallery: readonly GalleryItem[];
}

export interface BarGroup {
  readonly label: string;
  /** Questions that the group counts; `12 to 14` where that is not the same for all bars. */
  readonly total: number | string;
  readonly bars: readonly Bar[];
}

export interface Bar {
  readonly label: string;
  /** `model` is drawn in the accent colour. */
  readonly kind: "model" | "baseline";
  readonly share: number;
  /** 95 % interval, or what else the figure says. */
  readonly low: number;
  readonly high: number;
}

/** A mixture of experts: what each expert gets, for all images and for some of them. */
export interface ShareGroup {
  readonly label: string;
  /** Behind the label. */
  readonly note: string;
  readonly rows: readonly { readonly label: string; readonly shares: readonly number[] }[];
}

export interface GalleryItem {
  /** data: URI of a thumbnail; null where the report was asked for without images. */
  readonly image: string | null;
  readonly question: string;
  readonly answer: string;
  readonly prediction: string;
  readonly probability: number;
  readonly correct: boolean;
}
