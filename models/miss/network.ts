import { crossEntropy, nn, reshape, scale, slice, sum, type Tensor } from "../../engine/index.js";
import { Bert } from "./bert.js";
import type { MissConfig } from "./config.js";
import { TextDecoder } from "./decoder.js";
import { IGNORE } from "./targets.js";
import { VisionTransformer } from "./vision.js";

/** One batch as the network reads it, on its device. */
export interface MissBatch {
  /** f32 [B, 3, S, S] */
  image: Tensor;
  /** i32 [B, Lq], position 0 is [ENC]; mask 0 on padding. */
  questionIds: Tensor;
  questionMask: Tensor;
  /** i32 [B, La], position 0 is [DEC]. */
  answerIds: Tensor;
  answerMask: Tensor;
  /** i32 [B, La - 1]: the next token of each position, -100 where it is padding. */
  targets: Tensor;
}

/**
 * The fine-tuning network of MISS (and of MILE): a ViT reads the image, the joint text-multimodal module (JTM) reads the
 * question and the image, the decoder writes the answer from the JTM's states. Property names are the published
 * state-dict roots.
 */
export class MissNetwork extends nn.Module {
  visual_encoder: VisionTransformer;
  text_encoder: Bert;
  text_decoder: TextDecoder;
  readonly config: MissConfig;

  constructor(init: nn.Initializer, config: MissConfig) {
    super();
    this.config = config;
    this.visual_encoder = new VisionTransformer(init, config);
    this.text_encoder = new Bert(init, config, config.visionWidth);
    this.text_decoder = new TextDecoder(init, config);
  }

  /** Question states [B, Lq, hidden] from image states [B, N, visionWidth]. */
  encode(image: Tensor, questionIds: Tensor, questionMask: Tensor): Tensor {
    return this.text_encoder.forward(questionIds, {
      mask: questionMask,
      cross: image,
      crossMask: null,
      causal: false,
    });
  }

  /**
   * Label-smoothed cross entropy of each next token, [B, La - 1], 0 where there is no target:
   * (1 - ε)(-log p[y]) + (ε / V) Σ_v (-log p[v]).
   */
  tokenLoss(batch: MissBatch): Tensor {
    const image = this.visual_encoder.forward(batch.image);
    const question = this.encode(image, batch.questionIds, batch.questionMask);
    return this.answerLoss(question, batch.questionMask, batch.answerIds, batch.answerMask, batch.targets);
  }

  answerLoss(question: Tensor, questionMask: Tensor, ids: Tensor, mask: Tensor, targets: Tensor): Tensor {
    const states = this.text_decoder.states(ids, { mask, cross: question, crossMask: questionMask });
    const [B, L, C] = states.shape;
    // The last position has no next token: the vocabulary product leaves it out.
    const logits = this.text_decoder.logits(
      reshape(slice(states, { dim: 1, start: 0, length: L - 1 }), [B * (L - 1), C]),
    );
    const loss = crossEntropy(logits, reshape(targets, [B * (L - 1)]), {
      labelSmoothing: this.config.labelSmoothing,
      ignoreIndex: IGNORE,
      reduction: "none",
    });
    // Given up here, the logits become their own gradient: the vocabulary needs one buffer, not two.
    logits.dispose();
    return reshape(loss, [B, L - 1]);
  }

  /** The published training loss: sum over tokens, mean over the batch. */
  loss(batch: MissBatch): Tensor {
    const tokens = this.tokenLoss(batch);
    return scale(sum(tokens), 1 / tokens.shape[0]);
  }
}
