import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loadNotes } from "../../apps/cli/terminal/progress.js";
import { io, nn } from "../../engine/index.js";
import { loadNetwork } from "../../models/miss/checkpoint.js";
import { presets } from "../../models/miss/config.js";
import { MissNetwork } from "../../models/miss/network.js";
import { tryOpen } from "../support/devices.js";

/**
 * Files with the names and shapes of BLIP's released checkpoints, base size, after its code (models/vit.py, med.py,
 * blip_pretrain.py, of salesforce/BLIP): written out here, not taken from our network. Their values are holes of the file,
 * but for some that are looked for.
 */
const folder = mkdtempSync(join(tmpdir(), "consilium-blip-"));
afterAll(() => rmSync(folder, { recursive: true }));

type Shapes = Record<string, readonly number[]>;
const affine = (name: string, out: number, into?: number): Shapes => ({
  [`${name}.weight`]: into === undefined ? [out] : [out, into],
  [`${name}.bias`]: [out],
});
const prefixed = (prefix: string, shapes: Shapes): Shapes =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [`${prefix}.${name}`, shape]));
const each = (count: number, of: (i: number) => Shapes): Shapes =>
  Object.assign({}, ...Array.from({ length: count }, (_, i) => of(i)));

const vit = (side: number, width = 768, depth = 12): Shapes => ({
  cls_token: [1, 1, width],
  pos_embed: [1, (side / 16) ** 2 + 1, width],
  "patch_embed.proj.weight": [width, 3, 16, 16],
  "patch_embed.proj.bias": [width],
  ...each(depth, (i) => ({
    ...affine(`blocks.${i}.norm1`, width),
    ...affine(`blocks.${i}.attn.qkv`, 3 * width, width),
    ...affine(`blocks.${i}.attn.proj`, width, width),
    ...affine(`blocks.${i}.norm2`, width),
    ...affine(`blocks.${i}.mlp.fc1`, 4 * width, width),
    ...affine(`blocks.${i}.mlp.fc2`, width, 4 * width),
  })),
  ...affine("norm", width),
});

const attention = (name: string, from: number): Shapes => ({
  ...affine(`${name}.self.query`, 768, 768),
  ...affine(`${name}.self.key`, 768, from),
  ...affine(`${name}.self.value`, 768, from),
  ...affine(`${name}.output.dense`, 768, 768),
  ...affine(`${name}.output.LayerNorm`, 768),
});

const bert = (vocab: number, imageWidth = 768): Shapes => ({
  "embeddings.position_ids": [1, 512],
  "embeddings.word_embeddings.weight": [vocab, 768],
  "embeddings.position_embeddings.weight": [512, 768],
  ...affine("embeddings.LayerNorm", 768),
  ...each(12, (i) =>
    prefixed(`encoder.layer.${i}`, {
      ...attention("attention", 768),
      ...attention("crossattention", imageWidth),
      ...affine("intermediate.dense", 3072, 768),
      ...affine("output.dense", 768, 3072),
      ...affine("output.LayerNorm", 768),
    }),
  ),
});

const decoder = (vocab: number): Shapes => ({
  ...prefixed("bert", bert(vocab)),
  "cls.predictions.bias": [vocab],
  ...affine("cls.predictions.transform.dense", 768, 768),
  ...affine("cls.predictions.transform.LayerNorm", 768),
  ...affine("cls.predictions.decoder", vocab, 768),
});

/** blip_pretrain.py at 224 pixels. */
const pretrained = (vocab = 30524): Shapes => ({
  ...prefixed("visual_encoder", vit(224)),
  ...prefixed("text_encoder", bert(vocab)),
  ...affine("vision_proj", 256, 768),
  ...affine("text_proj", 256, 768),
  ...affine("itm_head", 2, 768),
  ...prefixed("visual_encoder_m", vit(224)),
  ...affine("vision_proj_m", 256, 768),
  ...prefixed("text_encoder_m", bert(vocab)),
  ...affine("text_proj_m", 256, 768),
  image_queue: [256, 57600],
  text_queue: [256, 57600],
  queue_ptr: [1],
  temp: [],
  ...prefixed("text_decoder", decoder(vocab)),
});

const isInteger = (name: string) => /position_ids$|^queue_ptr$/.test(name);

/** A safetensors file whose values are 0, except the first of each tensor in `first`. */
function sparse(name: string, shapes: Shapes, first: Record<string, number> = {}): string {
  let end = 0;
  const entries = Object.entries(shapes).map(([tensor, shape]) => {
    const begin = end;
    end += shape.reduce((a, b) => a * b, 1) * (isInteger(tensor) ? 8 : 4);
    return [tensor, { dtype: isInteger(tensor) ? "I64" : "F32", shape, data_offsets: [begin, end] }] as const;
  });
  const text = JSON.stringify(Object.fromEntries(entries));
  const header = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const file = join(folder, `${name}.safetensors`);
  const fd = openSync(file, "w");
  writeSync(fd, Buffer.concat([length, header]));
  ftruncateSync(fd, 8 + header.length + end);
  for (const [tensor, { data_offsets }] of entries)
    if (tensor in first)
      writeSync(fd, Buffer.from(Float32Array.of(first[tensor]).buffer), 0, 4, 8 + header.length + data_offsets[0]);
  closeSync(fd);
  return file;
}

describe("base size on cpu", async () => {
  const { device, reason } = await tryOpen("cpu");
  afterAll(() => device?.close());

  const load = async (file: string) => {
    if (!device) throw new Error(reason);
    const network = new MissNetwork(new nn.Initializer(device, 0, { empty: true }), presets.base);
    await using reader = await io.openCheckpoint(file);
    try {
      return { network, report: await loadNetwork(network, reader, { partial: true }) };
    } catch (error) {
      network.dispose();
      throw error;
    }
  };

  test.skipIf(!device)(
    `a pre-trained file loads by name into the model at 480 pixels, nothing unused, nothing missing${reason}`,
    async () => {
      const first = {
        "visual_encoder.pos_embed": 3,
        "visual_encoder.blocks.11.attn.qkv.weight": 4,
        "text_encoder.encoder.layer.5.crossattention.self.key.weight": 5,
        "text_decoder.bert.encoder.layer.11.attention.output.LayerNorm.bias": 6,
        "text_decoder.cls.predictions.decoder.bias": 7,
      };
      const { network, report } = await load(sparse("pretrained", pretrained(), first));
      using _ = network;
      expect({ ...report, disagreeing: [] }).toEqual({
        ...{ interpolated: true, unused: [], disagreeing: [], missing: [], skipped: [] },
      });
      // The two names of the tied bias were given other values.
      expect(report.disagreeing).toEqual(["text_decoder.cls.predictions.decoder.bias"]);
      const { visual_encoder: vision, text_encoder: jtm, text_decoder } = network;
      const values = async (t: { data(): Promise<ArrayLike<number>> }) => (await t.data())[0];
      expect(vision.pos_embed.shape).toEqual([1, 901, 768]);
      expect(await values(vision.pos_embed)).toBe(3);
      const qkv = vision.blocks[11].attn.qkv as nn.Linear;
      expect(await values(qkv.weight)).toBe(4);
      expect(await values((jtm.encoder.layer[5].crossattention.self.key as nn.Linear).weight)).toBe(5);
      expect(await values(text_decoder.bert.encoder.layer[11].attention.output.LayerNorm.bias)).toBe(6);
      expect(await values(text_decoder.cls.predictions.bias)).toBe(7);
    },
    180_000,
  );

  test.skipIf(!device)(
    `a captioning file without the JTM, for BERT's 30,522 pieces: what is missing and what misfits is said${reason}`,
    async () => {
      const shapes = { ...prefixed("visual_encoder", vit(384)), ...prefixed("text_decoder", decoder(30522)) };
      const { network, report } = await load(sparse("captioning", { ...shapes, "logit_scale.other": [1] }));
      network.dispose();
      expect(report.missing).toHaveLength(4 + 12 * 26);
      expect(report.missing.every((name) => name.startsWith("text_encoder."))).toBe(true);
      expect(report.skipped).toEqual([
        "text_decoder.bert.embeddings.word_embeddings.weight: [30522, 768] in the file, [30524, 768] in the model",
        "text_decoder.cls.predictions.bias: [30522] in the file, [30524] in the model",
      ]);
      expect(report.unused).toEqual(["logit_scale.other"]);
      expect(loadNotes("f", report)).toEqual([
        "warning: f: 316 tensors of the model are not in it; they keep random values: " +
          "text_encoder.embeddings.word_embeddings.weight, text_encoder.embeddings.position_embeddings.weight, " +
          "text_encoder.embeddings.LayerNorm.weight, text_encoder.embeddings.LayerNorm.bias, " +
          "text_encoder.encoder.layer.0.attention.self.query.weight and 311 more",
        expect.stringContaining("warning: f: 2 tensors of the model have another shape in it"),
        "f: vision positions interpolated to this image size",
        "f: 1 tensors that the model does not have: logit_scale.other",
      ]);
    },
    180_000,
  );

  test.skipIf(!device)(`most tensors of another size: refused before anything is changed${reason}`, async () => {
    const large = { ...prefixed("visual_encoder", vit(224, 1024, 24)), ...prefixed("text_encoder", bert(30524, 1024)) };
    await expect(load(sparse("large", large))).rejects.toThrow(
      /\d+ tensors do not fit the model\. Give a checkpoint of the same sizes:\n {2}visual_encoder\.cls_token: \[1, 1, 1024\] in the file, \[1, 1, 768\] in the model/,
    );
  });
});
