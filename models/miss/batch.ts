import { type Device, type Tensor, tensor } from "../../engine/index.js";
import type { ImageStore } from "../data/image-store.js";
import type { VqaRecord } from "../data/record.js";
import type { MissBatch } from "./network.js";
import { shiftTargets } from "./targets.js";
import type { MissTokenizer, TokenBatch } from "./tokenizer.js";

/** The tensors of a question batch: ids and mask, i32 [B, T]. */
export function tokenTensors(device: Device, batch: TokenBatch): { ids: Tensor; mask: Tensor } {
  const shape = [batch.B, batch.T];
  return {
    ids: tensor(batch.ids, { device, shape, dtype: "i32" }),
    mask: tensor(batch.mask, { device, shape, dtype: "i32" }),
  };
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
  const targets = shiftTargets(answers.ids, B, answers.T, tokenizer.pad);
  return {
    image: imageTensor(device, images, records),
    questionIds: question.ids,
    questionMask: question.mask,
    answerIds: answer.ids,
    answerMask: answer.mask,
    targets: tensor(targets, { device, shape: [B, answers.T - 1], dtype: "i32" }),
  };
}

export function imageTensor(device: Device, images: ImageStore, records: readonly VqaRecord[]): Tensor {
  const { size } = images;
  return tensor(images.batch(records.map((r) => r.image)), { device, shape: [records.length, 3, size, size] });
}
