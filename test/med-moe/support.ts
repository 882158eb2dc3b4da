import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { HostRandom, io } from "../../engine/index.js";
import { readAll } from "../../models/golden/read.js";
import { trainByteBpe } from "../../models/index.js";

export const goldenMedMoe = fileURLToPath(new URL("../fixtures/med-moe", import.meta.url));
const images = fileURLToPath(new URL("../../data/vqa-rad/images", import.meta.url));

/** Texts that the vocabulary of `speakingModel` is made for. */
const TEXTS = Array.from({ length: 4 }, () => [
  "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and " +
    "polite answers to the user's questions. USER: ASSISTANT:",
  "Which organ is shown? Is there a fracture? What does this image show? liver lung kidney heart yes no normal",
]).flat();

/**
 * A golden model that can be asked in words: a byte-level vocabulary, and rows for it in the embedding and the head, by chance
 * of the size of those that are there. Nothing it says means anything.
 */
export async function speakingModel(family: "stablelm" | "phi", folder: string): Promise<string> {
  cpSync(join(goldenMedMoe, family), folder, { recursive: true });
  const files = trainByteBpe(TEXTS, { size: 400, family });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const ids: number[] = Object.values(JSON.parse(files["added_tokens.json"]));
  const vocabulary = Math.max(...ids) + 1;
  const file = join(folder, "config.json");
  const config = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify({ ...config, vocab_size: vocabulary, max_position_embeddings: 512 }));
  const all = [...(await readAll(folder))];
  const random = new HostRandom(1);
  const tensors = all.map(([name, { shape, values }]) => {
    if (!/embed_tokens\.weight|lm_head\.weight/.test(name))
      return io.writable(name, shape, Float32Array.from(values), "F32");
    const [, width] = shape;
    const size = Math.sqrt(Array.from(values, (v) => v * v).reduce((a, b) => a + b, 0) / values.length);
    const rows = Float32Array.from({ length: vocabulary * width }, () => size * random.normal());
    return io.writable(name, [vocabulary, width], rows, "F32");
  });
  await writeWhole(folder, tensors);
  return folder;
}

/** As `speakingModel`, dense: the meta expert is the MLP of its layer. */
export async function denseModel(family: "stablelm" | "phi", folder: string): Promise<string> {
  await speakingModel(family, folder);
  const { moe: _, ...config } = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, model_type: `llava_${family}` }));
  await rewriteTensors(folder, (name) =>
    name.includes("deepspeed_moe") ? null : name.replace(".mlp.meta_moe.", ".mlp."),
  );
  return folder;
}

/** A checkpoint in one file, instead of the shards that may be there. */
async function writeWhole(folder: string, tensors: readonly io.WritableTensor[]): Promise<void> {
  for (const name of readdirSync(folder).filter((file) => /^model-.*\.safetensors$|\.index\.json$/.test(file)))
    rmSync(join(folder, name));
  await io.writeSafetensors(join(folder, "model.safetensors"), tensors);
}

/** The checkpoint `from` in `folder`, with other names; null leaves a tensor out. */
export async function rewriteTensors(
  folder: string,
  rename: (name: string) => string | null,
  from = folder,
): Promise<void> {
  const tensors = [...(await readAll(from))].flatMap(([name, { shape, values }]) => {
    const to = rename(name);
    return to === null ? [] : [io.writable(to, shape, Float32Array.from(values), "F32")];
  });
  await writeWhole(folder, tensors);
}

/** Files of VQA-RAD's images. */
export const imageFile = (name: string) => join(images, name);
