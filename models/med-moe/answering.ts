/** Answers of a model to the questions of a data set, greedily, several side by side. */
import { noGrad, reshape, scope, tensor } from "../../engine/index.js";
import { asConversation } from "../data/conversations.js";
import type { VqaRecord } from "../data/record.js";
import { generate } from "../generation/index.js";
import { IMAGE } from "../text/message.js";
import type { TextTokenizer } from "../text/text-tokenizer.js";
import { encodeWithImages } from "./image-tokens.js";
import { languageModel } from "./language-model.js";
import type { MedMoeNetwork } from "./network.js";
import type { SquareImages } from "./square-images.js";
import { formatPrompt, type Template } from "./template.js";
import { captionStart } from "./train-data.js";

/** How `answersOfMedMoe` asks. */
export interface AnsweringOptions {
  /** How a question becomes a prompt. */
  readonly template: Template;
  /** The model's vocabulary. */
  readonly tokenizer: TextTokenizer;
  /** Reads images as the model wants them. */
  readonly images: SquareImages;
  /** Questions side by side. */
  readonly batch: number;
  /** Longest answer. */
  readonly maxNewTokens: number;
  /** Stops between two batches, with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after each batch, with the questions that are answered. */
  onProgress?(done: number, total: number): void;
}

/** In the template plain a question begins a caption, which the model ends. */
export async function answers(
  network: MedMoeNetwork,
  records: readonly VqaRecord[],
  { template, tokenizer, images, batch, maxNewTokens, signal, onProgress }: AnsweringOptions,
): Promise<string[]> {
  const model = languageModel(network);
  const { device } = model;
  const stop = template.name === "plain" ? tokenizer.encode(template.stop) : [tokenizer.eos];
  const found: string[] = [];
  network.eval();
  for (let start = 0; start < records.length; start += batch) {
    const part = records.slice(start, start + batch);
    const prompts = part.map((record) => promptOf(record, template));
    const read = await images.read(
      part.map(({ image }) => image),
      signal,
    );
    const { size } = images;
    const rows = noGrad(() =>
      scope(() =>
        prompts.map((prompt, i) => {
          const pixels = tensor(read[i], { device, shape: [1, 3, size, size] });
          const { embeds } = network.splice([{ ids: encodeWithImages(tokenizer, prompt) }], pixels);
          return reshape(embeds, [embeds.shape[1], embeds.shape[2]]);
        }),
      ),
    );
    try {
      const said = await generate(model, rows, { maxNewTokens, stopIds: stop, signal });
      for (const { ids } of said) found.push(tokenizer.decode(ids.filter((id) => !stop.includes(id))).trim());
    } finally {
      for (const row of rows) row.dispose();
    }
    onProgress?.(Math.min(start + batch, records.length), records.length);
  }
  return found;
}

const promptOf = (record: VqaRecord, template: Template) =>
  template.name === "plain"
    ? `${IMAGE}${captionStart(record.question)}`.trimEnd()
    : formatPrompt(template, asConversation(record).messages.slice(0, 1));
