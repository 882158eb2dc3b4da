/** Which experts the tokens of images and questions go to. */
import { noGrad, reshape, scope } from "../../../engine/index.js";
import { asConversation } from "../../data/conversations.js";
import type { VqaRecord } from "../../data/record.js";
import { permutationTest } from "../../eval/permutation.js";
import type { MedMoeAnswerer } from "../asking/answerer.js";

/** The share of tokens that each expert of a mixture was chosen for, for all images and for those of each group. */
export interface LayerShares {
  /** The layer that the mixture stands in. */
  readonly layer: number;
  /** By expert. */
  readonly all: readonly number[];
  /** By group, then by expert. */
  readonly groups: readonly {
    /** The category. */
    readonly name: string;
    /** How many images are of it. */
    readonly images: number;
    /** Of each expert, from 0 to 1. */
    readonly shares: readonly number[];
  }[];
  /** Chance that groups drawn by chance differ as much: a permutation test over images. */
  readonly pValue: number;
}

/**
 * Shares by the category of the records (the part of the body). An image counts once, however many questions it has: first
 * all tokens of its questions, image rows among them, then images by group.
 */
export async function expertShares(
  answerer: MedMoeAnswerer,
  records: readonly VqaRecord[],
  { signal, seed }: { readonly signal?: AbortSignal; readonly seed: number },
): Promise<LayerShares[]> {
  const { network } = answerer;
  const { moe } = network.config;
  if (!moe) return [];
  const byImage = new Map<string, { group: string; counts: number[][] }>();
  for (const record of records) {
    using rows = await answerer.embeds(asConversation(record), signal);
    const lists = noGrad(() =>
      scope(() =>
        network
          .states(reshape(rows, [1, ...rows.shape]))
          .mixtures.flatMap((mixture) => (mixture ? [mixture.routed.lists] : [])),
      ),
    );
    const known = byImage.get(record.image) ?? {
      group: record.category ?? "",
      counts: moe.experts.map((experts) => new Array<number>(experts).fill(0)),
    };
    byImage.set(record.image, known);
    for (const [i, list] of lists.entries()) {
      const E = moe.experts[i];
      // Behind the offsets of the experts' rows: how often each was chosen.
      const chosen = (await list.data()).subarray(E + 1, 2 * E + 1);
      for (const [e, count] of chosen.entries()) known.counts[i][e] += count;
      list.dispose();
    }
  }
  const units = [...byImage.values()];
  const names = [...new Set(units.map(({ group }) => group))].sort();
  return moe.layers.map((layer, i) => {
    const shares = units.map(({ counts }) => normalised(counts[i]));
    const of = (name: string) => shares.filter((_, unit) => units[unit].group === name);
    const { pValue } = permutationTest(
      shares,
      units.map(({ group }) => group),
      { seed },
    );
    const groups = names.map((name) => ({ name, images: of(name).length, shares: mean(of(name)) }));
    return { layer, all: mean(shares), groups, pValue };
  });
}

function normalised(counts: readonly number[]): number[] {
  const all = counts.reduce((a, b) => a + b, 0);
  return counts.map((count) => count / all);
}

const mean = (vectors: readonly (readonly number[])[]) =>
  vectors[0].map((_, d) => vectors.reduce((sum, vector) => sum + vector[d], 0) / vectors.length);
