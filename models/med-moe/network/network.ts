import {
  add,
  balanceLoss,
  concat,
  crossEntropy,
  indexSelect,
  nn,
  OptionError,
  type Routed,
  reshape,
  scale,
  type Tensor,
  tensor,
  zeros,
} from "../../../engine/index.js";
import type { ClipVisionConfig } from "../../clip/config.js";
import { ClipVisionTower } from "../../clip/vision.js";
import type { Decoder, DecoderOptions, DecoderOutput } from "../../decoder/decoder.js";
import { Phi } from "../../phi/phi.js";
import { Stablelm } from "../../stablelm/stablelm.js";
import type { MedMoeConfig } from "../folder/config.js";
import { Projector } from "./projector.js";
import { planSplice, type Sample } from "./splice.js";
import { nextTokens } from "./targets.js";

/** Texts with their images as the language model reads them. */
export interface Spliced {
  /** [B, T, width], padded on the right with zeros. */
  readonly embeds: Tensor;
  /** i32 [B, T], 0 on padding; null where there is none. */
  readonly mask: Tensor | null;
  /** [B, T] on the host, -100 where nothing is learnt; null where no sample has labels. */
  readonly labels: Int32Array | null;
  /** Rows of each sample. */
  readonly lengths: readonly number[];
}

/** The training loss and what it is made of. */
export interface MedMoeLoss {
  /** ce + auxLoss · aux. */
  readonly loss: Tensor;
  /** Mean cross entropy of the labels. */
  readonly ce: Tensor;
  /** Sum of the mixtures' load-balancing losses; null in a dense model. */
  readonly aux: Tensor | null;
  /** What the mixtures chose, in the order of their layers. */
  readonly routed: readonly Routed[];
}

/**
 * Med-MoE: a CLIP tower and a projector give rows of images, which stand among the word embeddings of a language model with
 * mixtures of experts. Jiang et al.: Med-MoE, arXiv 2404.10237.
 */
export class MedMoeNetwork extends nn.Module {
  /** Images to patches. */
  image_tower: ClipVisionTower;
  /** Patches to rows of the language model. */
  mm_projector: Projector;
  /** The language model, without its head. */
  model: Decoder;
  /** States to logits. */
  lm_head: nn.Linear;
  /** Sizes and mixtures. */
  config: MedMoeConfig;

  /** All layers are dense: `toMixtures` puts experts into those that `config` names. */
  constructor(init: nn.Initializer, config: MedMoeConfig, tower: ClipVisionConfig) {
    super();
    const { decoder, vision, family } = config;
    if (vision.width !== null && vision.width !== tower.width)
      throw new OptionError(
        `The model was trained with image features of width ${vision.width}; the vision tower's are ${tower.width} wide. Give the tower it was trained with.`,
      );
    this.config = config;
    this.image_tower = new ClipVisionTower(init, tower);
    this.mm_projector = new Projector(init, { from: tower.width, to: decoder.width, layers: vision.projectorLayers });
    this.model = family === "stablelm" ? new Stablelm(init, decoder) : new Phi(init, decoder);
    // Phi-2's own head has a bias; the published Med-MoE drops it.
    const head = { bias: false, weightInit: nn.normal(decoder.initializerRange) };
    this.lm_head = new nn.Linear(init, decoder.width, decoder.vocabulary, head);
  }

  /** Rows that an image takes in the sequence. */
  get imageRows(): number {
    const { imageSize, patch } = this.image_tower.config;
    return (imageSize / patch) ** 2 + (this.config.vision.feature.select === "patch" ? 0 : 1);
  }

  /** pixels [N, 3, S, S] to [N, imageRows, width]. Nothing is recorded in a tower that is frozen, as published. */
  encodeImages(pixels: Tensor): Tensor {
    return this.mm_projector.forward(this.image_tower.forward(pixels, this.config.vision.feature));
  }

  /**
   * The rows of texts and images. `pixels` [N, 3, S, S] holds one image for each placeholder, in their order, and one, unseen,
   * for each text without any; or is null. Throws OptionError as `planSplice` does.
   */
  splice(samples: readonly Sample[], pixels: Tensor | null): Spliced {
    const { positions, width } = this.model.config;
    const { imageRows } = this;
    const plan = planSplice(samples, pixels ? pixels.shape[0] : null, { imageRows, positions });
    const { device } = this.lm_head.weight;
    const sources = [this.model.embed_tokens.forward(tensor(plan.tokens, { device }))];
    if (pixels && plan.images.length > 0) {
      const all = plan.images.length === pixels.shape[0];
      const seen = all ? pixels : indexSelect(pixels, 0, tensor(Int32Array.from(plan.images), { device }));
      sources.push(reshape(this.encodeImages(seen), [plan.images.length * imageRows, width]));
    }
    const padded = plan.lengths.some((length) => length < plan.length);
    if (padded) sources.push(zeros([1, width], { device, dtype: sources[0].dtype }));
    const [B, T] = [samples.length, plan.length];
    const rows = indexSelect(sources.length === 1 ? sources[0] : concat(sources, 0), 0, tensor(plan.rows, { device }));
    return {
      embeds: reshape(rows, [B, T, width]),
      mask: padded ? tensor(maskOf(plan.lengths, T), { device, shape: [B, T] }) : null,
      labels: plan.labels,
      lengths: plan.lengths,
    };
  }

  /** Embeddings to states: `Decoder.forward`. */
  states(embeds: Tensor, options: DecoderOptions = {}): DecoderOutput {
    return this.model.forward(embeds, options);
  }

  /** States [..., width] to logits [..., vocabulary]. */
  logits(states: Tensor): Tensor {
    return this.lm_head.forward(states);
  }

  /** Logits of every position, [B, T, vocabulary]. For generation, `states` with a cache and `logits` of the last one do less. */
  forward(samples: readonly Sample[], pixels: Tensor | null): Tensor {
    const { embeds, mask } = this.splice(samples, pixels);
    return this.logits(this.states(embeds, { mask }).states);
  }

  /**
   * Cross entropy of each label given what stands before it, averaged over the labels of the batch, and the mixtures'
   * load-balancing losses, summed and weighed by `auxLoss` (default: the config's). Only positions that a label follows
   * get logits.
   */
  loss(samples: readonly Sample[], pixels: Tensor | null, options: { auxLoss?: number } = {}): MedMoeLoss {
    return this.splicedLoss(this.splice(samples, pixels), options);
  }

  /** `loss` of what is spliced already. */
  splicedLoss({ embeds, mask, labels }: Spliced, { auxLoss = this.config.moe?.auxLoss ?? 0 } = {}): MedMoeLoss {
    const [B, T, C] = embeds.shape;
    if (!labels) throw new OptionError("Med-MoE: a loss needs labels; no sample has any.");
    const { device } = embeds;
    const { states, mixtures } = this.states(embeds, { mask });
    const { rows, targets } = nextTokens(labels, B, T);
    const asked = indexSelect(reshape(states, [B * T, C]), 0, tensor(rows, { device }));
    const logits = this.logits(asked);
    const ce = crossEntropy(logits, tensor(targets, { device }));
    // Given up here, the logits become their own gradient: the vocabulary needs one buffer, not two.
    logits.dispose();
    const routed = mixtures.flatMap((mixture) => (mixture ? [mixture.routed] : []));
    const aux = routed.length ? routed.map(balanceLoss).reduce((a, b) => add(a, b)) : null;
    return { loss: aux && auxLoss !== 0 ? add(ce, scale(aux, auxLoss)) : ce, ce, aux, routed };
  }
}

function maskOf(lengths: readonly number[], T: number): Int32Array {
  const mask = new Int32Array(lengths.length * T);
  lengths.forEach((length, b) => {
    mask.fill(1, b * T, b * T + length);
  });
  return mask;
}
