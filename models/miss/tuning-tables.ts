/**
 * Rows of tables in the form of MILE's (arXiv 2403.06407): how each of the three modules is tuned. The paper's own list of rows was not at
 * hand. These tables are ours: every method on every module that it may stand on, LoRA by both published ranks.
 */
import { OptionError } from "../../engine/index.js";
import {
  type Adaptation,
  type TextMethod,
  textMethods,
  type VisionMethod,
  visionMethods,
  whyNoMethod,
} from "./adaptation.js";

/** How the modules are tuned: a row of a table. */
export interface TuningRow {
  /** The vision transformer. */
  readonly vit: VisionMethod;
  /** The joint text-multimodal module. */
  readonly jtm: TextMethod;
  /** The decoder. */
  readonly dec: TextMethod;
  /** Of LoRA; null where no module has it. */
  readonly rank: number | null;
}

/** Rows that are compared. */
export interface TuningTable {
  /** What they compare. */
  readonly title: string;
  /** As `parseTuningRow` reads them. */
  readonly rows: readonly string[];
}

/** By their numbers, from 1. */
export const tuningTables: readonly TuningTable[] = [
  {
    title: "the decoder by every method, below frozen and below trained modules",
    rows: [
      ...["T-T-T", "F-F-T", "F-F-lora@8", "F-F-ia3", "F-F-prefix", "F-F-ptv2"],
      ...["T-T-lora@8", "T-T-ia3", "T-T-prefix", "T-T-ptv2"],
    ],
  },
  {
    title: "the joint module by every method, the ViT frozen",
    rows: ["F-T-T", "F-T-lora@8", "F-lora-lora@8", "F-ia3-ia3", "F-prefix-prefix", "F-ptv2-ptv2"],
  },
  {
    title: "the ViT by every method, alone and with the text modules",
    rows: ["T-F-F", "lora-F-F@8", "ia3-F-F", "lora-T-T@8", "ia3-T-T"],
  },
  {
    title: "adapters of rank 4 and of rank 8, on one module and on all",
    rows: [
      ...["F-F-lora@4", "F-F-lora@8", "T-T-lora@4", "T-T-lora@8", "F-lora-lora@4", "F-lora-lora@8"],
      ...["lora-lora-lora@4", "lora-lora-lora@8", "ia3-ia3-ia3"],
    ],
  },
];

const isLora = ({ vit, jtm, dec }: Pick<TuningRow, "vit" | "jtm" | "dec">) => [vit, jtm, dec].includes("lora");

/** `F-F-lora@4`: ViT, JTM and decoder, and the rank where one of them has LoRA. What `parseTuningRow` reads. */
export const tuningRowName = ({ vit, jtm, dec, rank }: TuningRow): string =>
  `${vit}-${jtm}-${dec}${rank === null ? "" : `@${rank}`}`;

/**
 * Reads `F-F-lora` or `f-t-LoRA@4`; `rank` is that of LoRA where the text says none. Throws OptionError where it is no such row, or a method
 * is on a module that it cannot stand on.
 */
export function parseTuningRow(text: string, rank: number): TuningRow {
  const [, methods, own] = /^\s*([^@]*?)\s*(?:@\s*(\d+)\s*)?$/.exec(text) ?? [];
  const names = methods?.split("-").map((name) => name.trim()) ?? [];
  if (names.length !== 3)
    throw new OptionError(
      `"${text}" is no row. A row names ViT, JTM and decoder, and the rank of LoRA where it is not ${rank}: F-F-lora, T-T-lora@4.`,
    );
  const [vit, jtm, dec] = [
    method(visionMethods, names[0], "visual encoder", text),
    method(textMethods, names[1], "joint module", text),
    method(textMethods, names[2], "decoder", text),
  ];
  if ([vit, jtm, dec].every((part) => part === "F"))
    throw new OptionError(`${text}: all three modules are F, frozen: nothing would be trained.`);
  const row = { vit, jtm, dec };
  if (own !== undefined && !isLora(row))
    throw new OptionError(`${text}: @${own} is a rank of LoRA, and no module of the row has it.`);
  if (own === "0") throw new OptionError(`${text}: the rank of LoRA is a whole number from 1; published are 4 and 8.`);
  return { ...row, rank: isLora(row) ? Number(own ?? rank) : null };
}

function method<M extends string>(methods: readonly M[], given: string, part: string, row: string): M {
  const found = methods.find((known) => known.toLowerCase() === given.toLowerCase());
  if (found) return found;
  throw new OptionError(`${row}: ${whyNoMethod(given, methods, part)}.`);
}

/** The settings of a run that is tuned as the row says; all else stays. */
export const tunedBy = <A extends Adaptation>(adaptation: A, { vit, jtm, dec, rank }: TuningRow): A => ({
  ...adaptation,
  ...{ vit, jtm, dec },
  rank: rank ?? adaptation.rank,
});
