import { l2Normalize, nn, noGrad, scope, type Tensor, transpose } from "../../../engine/index.js";
import { Bert } from "../bert.js";
import type { MissConfig } from "../config.js";
import { TextDecoder } from "../decoder.js";
import { VisionTransformer } from "../vision.js";
import { overwrite } from "./overwrite.js";

/** What pre-training adds to the sizes of the model. */
export interface PretrainSizes {
  /** Width of the features that images and texts are compared by; 256 as published. */
  readonly embedding: number;
  /** Earlier features of each kind that a batch is also compared with; 57,600 as published. */
  readonly queue: number;
}

/** The temperature at the start, and where it may go. */
const TEMPERATURE = 0.07;

/** Momentum copies by the part that they follow. */
const FOLLOWED = ["visual_encoder", "text_encoder", "vision_proj", "text_proj"] as const;

/**
 * The pre-training network of MISS: the three parts of the model, projections and temperature for contrast, a head for
 * matching, slow copies of the encoders, and queues of the features that these gave. Property names are the published
 * state-dict roots.
 *
 * The JTM and the decoder share all modules but self-attention, and the decoder reads the image: in tuning, they are
 * copies of their own, and it reads the JTM's states.
 */
export class PretrainNetwork extends nn.Module {
  visual_encoder: VisionTransformer;
  text_encoder: Bert;
  vision_proj: nn.Linear;
  text_proj: nn.Linear;
  itm_head: nn.Linear;
  visual_encoder_m: VisionTransformer;
  text_encoder_m: Bert;
  vision_proj_m: nn.Linear;
  text_proj_m: nn.Linear;
  text_decoder: TextDecoder;
  /** [] */
  temp: Tensor;
  /** [embedding, queue], columns of length 1. */
  image_queue: Tensor;
  text_queue: Tensor;
  /** The column of both that is overwritten next. */
  queuePointer = 0;
  readonly config: MissConfig;

  constructor(init: nn.Initializer, config: MissConfig, { embedding, queue }: PretrainSizes) {
    super();
    const { visionWidth, hidden } = config;
    const linear = (from: number, to: number) => new nn.Linear(init, from, to);
    this.config = config;
    this.visual_encoder = new VisionTransformer(init, config);
    this.text_encoder = new Bert(init, config, visionWidth);
    this.vision_proj = linear(visionWidth, embedding);
    this.text_proj = linear(hidden, embedding);
    this.itm_head = linear(hidden, 2);
    this.text_decoder = new TextDecoder(init, config, visionWidth);
    shareText(this.text_encoder, this.text_decoder.bert);
    this.temp = init.parameter([], nn.constant(TEMPERATURE));
    this.visual_encoder_m = new VisionTransformer(init, config);
    this.text_encoder_m = new Bert(init, config, visionWidth);
    this.vision_proj_m = linear(visionWidth, embedding);
    this.text_proj_m = linear(hidden, embedding);
    this.image_queue = unitColumns(init, embedding, queue);
    this.text_queue = unitColumns(init, embedding, queue);
    for (const [slow, fast] of this.followers()) {
      slow.requiresGrad = false;
      overwrite(slow, fast);
    }
    for (const queue of this.state()) queue.requiresGrad = false;
  }

  /** Each parameter of the slow copies with the one that it follows. */
  *followers(): Generator<readonly [slow: Tensor, fast: Tensor]> {
    for (const part of FOLLOWED) {
      const fast = new Map(this[part].namedParameters());
      for (const [name, slow] of this[`${part}_m`].namedParameters()) yield [slow, fast.get(name) as Tensor];
    }
  }

  /** The next batch goes behind one of `batch` pairs; `batch` divides the length of the queues. */
  advanceQueues(batch: number): void {
    this.queuePointer = (this.queuePointer + batch) % this.image_queue.shape[1];
  }

  protected override state(): readonly Tensor[] {
    return [this.image_queue, this.text_queue];
  }
}

/** The decoder's trunk takes every module of the JTM but self-attention; its own are freed. */
function shareText(encoder: Bert, decoder: Bert): void {
  decoder.embeddings.dispose();
  decoder.embeddings = encoder.embeddings;
  encoder.encoder.layer.forEach((from, i) => {
    const layer = decoder.encoder.layer[i];
    for (const own of [layer.crossattention, layer.intermediate.dense, layer.output]) own.dispose();
    layer.crossattention = from.crossattention;
    layer.intermediate = from.intermediate;
    layer.output = from.output;
  });
}

/** Noise until features take its place: [rows, columns], each column of length 1. */
function unitColumns(init: nn.Initializer, rows: number, columns: number): Tensor {
  const queue = init.parameter([rows, columns], nn.normal(1));
  noGrad(() => scope(() => overwrite(queue, transpose(l2Normalize(transpose(queue))))));
  return queue;
}
