import type { ClipVisionConfig } from "../../clip/config.js";
import type { DecoderConfig } from "../../decoder/config.js";
import type { MixtureForm } from "../network/mixture.js";
import type { Family, MedMoeConfig } from "./config.js";

/** How many numbers a model has. */
export interface MedMoeCount {
  /** In its checkpoint: everything, each expert. */
  readonly stored: number;
  /** Of the language model, what one token goes through. */
  readonly activated: number;
  /** Of `stored`, the vision tower. */
  readonly tower: number;
  /** Of `stored`, the projector. */
  readonly projector: number;
}

/** Parameters of a model of these sizes: stored, and activated by a token. From the configs alone. */
export function countMedMoe(
  { family, decoder, moe, vision }: MedMoeConfig,
  tower: ClipVisionConfig,
  { meta, routerBias }: MixtureForm = { meta: true, routerBias: true },
): MedMoeCount {
  const one = mlp(family, decoder);
  const dense = language(family, decoder);
  const mixtures = moe ? moe.layers.map((_, i) => moe.experts[i]) : [];
  const router = (experts: number) => linear(decoder.width, experts, routerBias);
  const residual = moe?.residual ? linear(decoder.width, 2, true) : 0;
  const shared = residual + (meta ? one : 0);
  // A mixture stands in the place of one MLP.
  const extra = (active: (experts: number) => number) =>
    mixtures.reduce((sum, experts) => sum + router(experts) + shared + (active(experts) - 1) * one, 0);
  const parts = { tower: clip(tower), projector: projector(tower.width, decoder.width, vision.projectorLayers) };
  return {
    stored: dense + extra((experts) => experts) + parts.tower + parts.projector,
    activated: dense + extra(() => moe?.topK ?? 1),
    ...parts,
  };
}

const linear = (from: number, to: number, bias: boolean) => from * to + (bias ? to : 0);

const mlp = (family: Family, { width, hidden }: DecoderConfig) =>
  family === "stablelm" ? 3 * linear(width, hidden, false) : linear(width, hidden, true) + linear(hidden, width, true);

function language(family: Family, c: DecoderConfig): number {
  const shared = (c.width / c.heads) * c.keyValueHeads;
  const qkv = linear(c.width, c.width, c.qkvBias) + 2 * linear(c.width, shared, c.qkvBias);
  const norm = 2 * c.width;
  const [output, norms] =
    family === "stablelm" ? [linear(c.width, c.width, false), 2] : [linear(c.width, c.width, true), 1];
  const layer = qkv + output + norms * norm + mlp(family, c);
  return 2 * c.vocabulary * c.width + c.layers * layer + norm;
}

function clip({ width, hidden, layers, patch, imageSize }: ClipVisionConfig): number {
  const norm = 2 * width;
  const block = 4 * linear(width, width, true) + linear(width, hidden, true) + linear(hidden, width, true) + 2 * norm;
  const positions = (imageSize / patch) ** 2 + 1;
  return width + 3 * patch * patch * width + positions * width + layers * block + 2 * norm;
}

const projector = (from: number, to: number, layers: number) =>
  linear(from, to, true) + (layers - 1) * linear(to, to, true);
