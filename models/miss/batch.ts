import { type Device, type Tensor, tensor } from "../../engine/index.js";
import type { ImageStore } from "../data/image-store.js";
import type { VqaRecord } from "../data/record.js";
import type { HostBatch } from "./host-batch.js";
import type { MissBatch } from "./network.js";
import type { TokenBatch } from "./tokenizer.js";

/** The tensors of a question batch: ids and mask, i32 [B, T]. */
export function tokenTensors(device: Device, batch: Omit<TokenBatch, "lengths">): { ids: Tensor; mask: Tensor } {
  const shape = [batch.B, batch.T];
  return {
    ids: tensor(batch.ids, { device, shape, dtype: "i32" }),
    mask: tensor(batch.mask, { device, shape, dtype: "i32" }),
  };
}

/** A training batch on its device. */
export function trainingBatch(device: Device, { size, pixels, questions, answers, targets }: HostBatch): MissBatch {
  const { B } = questions;
  const question = tokenTensors(device, questions);
  const answer = tokenTensors(device, answers);
  return {
    image: tensor(pixels, { device, shape: [B, 3, size, size] }),
    questionIds: question.ids,
    questionMask: question.mask,
    answerIds: answer.ids,
    answerMask: answer.mask,
    targets: tensor(targets, { device, shape: [B, answers.T - 1], dtype: "i32" }),
  };
}

export function imageTensor(device: Device, images: ImageStore, records: readonly VqaRecord[]): Tensor {
  const { size } = images;
  const values = images.batch(
    records.map((r) => r.image),
    records.map((r) => r.sample),
  );
  return tensor(values, { device, shape: [records.length, 3, size, size] });
}
