/** What a thread does for a stage that tunes the model: ids of conversations, and their images as the tower reads them. */
import type { Start } from "../../../bindings/platform/threads.js";
import type { Conversation } from "../../data/conversation-form.js";
import { loadTokenizer, type TokenizerFamily } from "../../text/tokenizer-folder.js";
import { SquareImages } from "../input/square-images.js";
import { type TemplateName, templateNamed } from "../input/template.js";
import { type HostBatch, hostBatch } from "./training-batches.js";

/** How conversations become numbers: plain data. */
export interface BatchForm {
  readonly template: TemplateName;
  /** Folder of the model, with its tokenizer. */
  readonly model: string;
  readonly family: TokenizerFamily;
  readonly maxLength: number;
  readonly seed: number;
  /** Side of the images. */
  readonly size: number;
  readonly pad: boolean;
  /** Bytes of decoded images that are kept. */
  readonly keptBytes: number;
}

export const start: Start<BatchForm, readonly Conversation[], HostBatch | null> = async (form) => {
  const { template, model, family, maxLength, seed, size, pad, keptBytes } = form;
  const { tokenizer } = await loadTokenizer(model, family);
  const images = new SquareImages(size, pad, keptBytes);
  const reading = { template: templateNamed(template), tokenizer, images, maxLength, seed };
  return async (conversations) => {
    const result = await hostBatch(conversations, reading);
    return { result, transfer: result ? [result.pixels.buffer as ArrayBuffer] : [] };
  };
};
