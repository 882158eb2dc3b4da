import { io } from "../../engine/index.js";

/**
 * Names a MISS checkpoint has beyond the parameters: position ids, and the tied output matrix and bias a second time.
 * They are written, so that PyTorch code loads our files. On reading, a second name is applied last, as there.
 */
const HEAD = "text_decoder.cls.predictions";
const WORDS = "text_decoder.bert.embeddings.word_embeddings.weight";

/** Second names of tied tensors: the file's name and the parameter it is. */
export const TIED: readonly (readonly [string, string])[] = [
  [`${HEAD}.decoder.weight`, WORDS],
  [`${HEAD}.decoder.bias`, `${HEAD}.bias`],
];

export const POSITION_IDS = ["text_encoder.embeddings.position_ids", "text_decoder.bert.embeddings.position_ids"];

/** Roots of what pre-training adds to a file: momentum copies, projections, queues. */
const PRETRAINING = /^(vision_proj|text_proj|itm_head|combine_|temp$|image_queue|text_queue|queue_ptr|\w+_m\.)/;

/** What a file may hold beyond the parameters and their second names. */
export const isExtra = (name: string) => POSITION_IDS.includes(name) || PRETRAINING.test(name);

/** 0, 1, 2, ... under each of `names`, as BERT keeps them. */
export function* positionIds(count: number, names: readonly string[]): Generator<io.WritableTensor> {
  const positions = Float64Array.from({ length: count }, (_, i) => i);
  for (const name of names) yield io.writable(name, [1, count], positions, "I64");
}
