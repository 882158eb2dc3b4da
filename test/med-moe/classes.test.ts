import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { concat, type Device, noGrad, openDevice, reshape, scope } from "../../engine/index.js";
import {
  type Conversation,
  loadTokenizer,
  MedMoe,
  MedMoeAnswerer,
  namedClass,
  templateNamed,
} from "../../models/index.js";
import { imageFile, speakingModel } from "./support.js";

test.each([
  ["The image shows the Left Kidney.", 1],
  ["kidney", 0],
  ["abnormal", null],
  ["normal or pneumonia", null],
  ["Pneumonia!", 3],
  ["", null],
] as const)("%j", (text, index) => {
  expect(namedClass(text, ["kidney", "left kidney", "normal", "pneumonia"])).toBe(index);
});

describe("log-likelihood of class names", () => {
  const folder = join(mkdtempSync(join(tmpdir(), "consilium-classes-")), "stablelm");
  let device: Device;
  let model: MedMoe;
  beforeAll(async () => {
    device = await openDevice("reference");
    model = await MedMoe.load(await speakingModel("stablelm", folder), { device });
  });
  afterAll(() => {
    model.dispose();
    device.close();
    rmSync(join(folder, ".."), { recursive: true });
  });

  test("the same as of each whole text by itself", async () => {
    const { network } = model;
    const { tokenizer } = await loadTokenizer(folder, "stablelm");
    const answerer = new MedMoeAnswerer(network, tokenizer, { template: templateNamed("stablelm") });
    const question: Conversation = {
      id: "1",
      images: [imageFile("synpic100132.jpg")],
      messages: [{ role: "user", text: "Which organ is shown?" }],
      place: "item 1",
    };
    const classes = ["liver", "a lung of the left side", "x"];
    const ranked = await answerer.rank(question, classes);
    using prompt = await answerer.embeds(question);
    for (const [c, name] of classes.entries()) {
      const ids = tokenizer.encode(` ${name}<|endoftext|>`);
      const [T, width] = prompt.shape;
      using logits = noGrad(() =>
        scope(() => {
          const { embeds } = network.splice([{ ids }], null);
          const rows = concat([reshape(prompt, [1, T, width]), embeds], 1);
          return network.logits(network.states(rows).states);
        }),
      );
      const values = await logits.data();
      const vocabulary = logits.shape[2];
      const sum = ids.reduce((total, id, i) => {
        const row = Array.from(values.subarray((T - 1 + i) * vocabulary, (T + i) * vocabulary)).slice(
          0,
          tokenizer.size,
        );
        return total + row[id] - Math.log(row.reduce((a, v) => a + Math.exp(v), 0));
      }, 0);
      expect(ranked[c], name).toBeCloseTo(sum, 4);
    }
    expect(new Set(ranked).size).toBe(3);
  });
});
