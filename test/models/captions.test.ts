import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { noGrad, scope, tensor } from "../../engine/index.js";
import { MissVqa, PretrainConfig, pretrainMiss } from "../../models/index.js";
import { penalised } from "../../models/miss/caption.js";
import { tryOpen } from "../support/devices.js";
import { captionTable, radiographs } from "./captions.js";
import { bertVocabulary } from "./support.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-write-"));
afterAll(() => rmSync(folder, { recursive: true }));
const { device, reason } = await tryOpen("cpu");
afterAll(() => device?.close());

/** Four images, learnt by heart. */
const IMAGES = 4;
const captions: { image: string; text: string }[] = [];
let model: MissVqa;

beforeAll(async () => {
  if (!device) return;
  const file = captionTable(folder, IMAGES);
  for (const line of readFileSync(file, "utf8").trim().split("\n").slice(1)) {
    const [, image, text] = /^([^,]+),"(.*)"$/.exec(line) ?? [];
    captions.push({ image: join(radiographs, image), text: text.toLowerCase() });
  }
  const config = PretrainConfig.parse({
    ...{ data: { file, images: radiographs }, vocabulary: "reduced", scaling: "ordinary", imageSize: 32 },
    ...{ epochs: 60, batch: IMAGES, queue: IMAGES, embedding: 16, dropout: 0 },
    ...{ lr: 2e-3, lrDecay: 1, warmupSteps: 0 },
  });
  await pretrainMiss(config, { device, out: join(folder, "run"), bertVocabulary });
  model = await MissVqa.load(join(folder, "run"), { device });
}, 240_000);
afterAll(() => model?.dispose());

describe.skipIf(!device)(`captions${reason}`, () => {
  test("what was learnt by heart is written, each image its own", async () => {
    for (const { image, text } of captions) {
      const written = await model.caption(image, { minLength: 1 });
      expect(written.caption.replace(/ ,/g, ",")).toBe(text);
      expect(written.probability).toBeGreaterThan(0.3);
    }
  });

  test("a prompt is gone on with, and not given back", async () => {
    const [{ image, text }] = captions;
    const prompt = "a radiograph of the ";
    const { caption } = await model.caption(image, { prompt, minLength: 1 });
    expect(caption.replace(/ ,/g, ",")).toBe(text.slice(prompt.length));
  });

  test("nucleus: the same seed the same words; the narrowest is the likeliest", async () => {
    const [{ image, text }] = captions;
    const options = { method: "nucleus", topP: 1, repetitionPenalty: 1, minLength: 1 } as const;
    const drawn = await Promise.all([1, 1, 2, 3, 4].map((seed) => model.caption(image, { ...options, seed })));
    expect(drawn[0]).toEqual(drawn[1]);
    expect(new Set(drawn.map(({ caption }) => caption)).size).toBeGreaterThan(1);
    expect(drawn[0].probability).toBeNull();
    const { caption } = await model.caption(image, { ...options, topP: 1e-6 });
    expect(caption.replace(/ ,/g, ",")).toBe(text);
  });

  test("lengths are kept", async () => {
    const [{ image }] = captions;
    for (const method of ["beam", "nucleus"] as const) {
      const short = await model.caption(image, { method, maxLength: 4, minLength: 1 });
      expect(model.tokenizer.pieceIds(short.caption).length).toBeLessThanOrEqual(3);
      const long = await model.caption(image, { method, maxLength: 24, minLength: 20 });
      expect(model.tokenizer.pieceIds(long.caption).length).toBeGreaterThan(10);
    }
  });

  test.each([
    [{ method: "greedy" }, '`method` is "greedy"; it is beam or nucleus'],
    [{ beams: 0 }, "`beams` is 0; a whole number of 1 or more"],
    [{ topP: 0 }, "`topP` is 0; a number above 0"],
    [{ repetitionPenalty: 0 }, "`repetitionPenalty` is 0; a number above 0"],
    [{ maxLength: 900 }, "`maxLength` is 900, the model has 64 positions"],
    [{ prompt: "a radiograph of the chest", maxLength: 5, minLength: 1 }, "leaves nothing behind [DEC] and"],
    [{ maxLength: 8 }, "`minLength` 10 is not below `maxLength` 8"],
  ])("%j is refused", async (options, message) => {
    await expect(model.caption(captions[0].image, options as never)).rejects.toThrow(message);
  });
});

describe.skipIf(!device)(`features${reason}`, () => {
  const idTensorOf = (ids: Int32Array) => {
    if (!device) throw new Error(reason);
    return tensor(ids, { device, shape: [1, ids.length], dtype: "i32" });
  };
  const at = (i: number) => captions[i].image;

  test("of an image: the vision encoder's states, as they are for an answer", async () => {
    const { values, shape } = await model.features({ mode: "image", image: at(0) });
    expect(shape).toEqual([17, 64]);
    expect(values).toHaveLength(17 * 64);
    expect((await model.features({ mode: "image", image: at(1) })).values).not.toEqual(values);
  });

  test("of a text: no image in them; beside an image: another for each", async () => {
    const text = "the chest";
    const plain = await model.features({ mode: "text", text });
    expect(plain.shape).toEqual([4, 64]);
    const both = await Promise.all([0, 1].map((i) => model.features({ mode: "multimodal", image: at(i), text })));
    for (const { shape } of both) expect(shape).toEqual([4, 64]);
    expect(both[0].values).not.toEqual(both[1].values);
    // [CLS] there, [ENC] here, and cross-attention: no row is the same.
    expect(both[0].values).not.toEqual(plain.values);
    // The text's own module computes both: the words' states are the JTM's.
    using states = noGrad(() =>
      scope(() => {
        const { ids, mask } = model.tokenizer.encodeText(text, "cls", 64);
        return model.network.text_encoder.forward(idTensorOf(ids), {
          ...{ mask: idTensorOf(mask), cross: null, crossMask: null, causal: false },
        });
      }),
    );
    expect(await states.data()).toEqual(plain.values);
  });

  test("a text beyond the model's positions is refused", async () => {
    await expect(model.features({ mode: "text", text: "chest ".repeat(80) })).rejects.toThrow(
      "The text has 82 pieces, the model 64 positions. Shorten it.",
    );
  });
});

test("tokens that are there already: their logits divided, negative ones multiplied, each once", () => {
  const out = penalised(Float32Array.of(2, -2, 3, 0.5), [0, 1, 1, 3], 1.25);
  expect([...out]).toEqual([2 / 1.25, -2.5, 3, 0.5 / 1.25].map((v) => expect.closeTo(v, 6)));
});
