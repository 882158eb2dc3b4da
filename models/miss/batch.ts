import { type Device, type Tensor, tensor } from "../../engine/index.js";
import type { ImageStore } from "../data/image-store.js";
import type { VqaRecord } from "../data/record.js";
import { IGNORE, type MissBatch } from "./network.js";
import type { MissTokenizer, TokenBatch } from "./tokenizer.js";

/** The tensors of a question batch: ids and mask, i32 [B, T]. */
export function tokenTensors(device: Device, batch: TokenBatch): { ids: Tensor; mask: Tensor } {
  const shape = [batch.B, batch.T];
  return {
    ids: tensor(batch.ids, { device, shape, dtype: "i32" }),
    mask: tensor(batch.mask, { device, shape, dtype: "i32" }),
  };
}

/** The next token of each position but the last, IGNORE where it is padding. */
export function shiftTargets({ ids, mask, B, T }: TokenBatch): Int32Array {
  const targets = new Int32Array(B * (T - 1));
  for (let b = 0; b < B; b++)
    for (let t = 1; t < T; t++) targets[b * (T - 1) + t - 1] = mask[b * T + t] ? ids[b * T + t] : IGNORE;
  return targets;
}

/** A training batch on its device, from rows of a data set. */
export function trainingBatch(
  device: Device,
  tokenizer: MissTokenizer,
  images: ImageStore,
  records: readonly VqaRecord[],
): MissBatch {
  const B = records.length;
  const questions = tokenizer.encodeQuestions(records.map((r) => r.question));
  const answers = tokenizer.encodeAnswers(records.map((r) => r.answer.trim()));
  const question = tokenTensors(device, questions);
  const answer = tokenTensors(device, answers);
  return {
    image: imageTensor(device, images, records),
    questionIds: question.ids,
    questionMask: question.mask,
    answerIds: answer.ids,
    answerMask: answer.mask,
    targets: tensor(shiftTargets(answers), { device, shape: [B, answers.T - 1], dtype: "i32" }),
  };
}

export function imageTensor(device: Device, images: ImageStore, records: readonly VqaRecord[]): Tensor {
  const { size } = images;
  return tensor(images.batch(records.map((r) => r.image)), { device, shape: [records.length, 3, size, size] });
}
