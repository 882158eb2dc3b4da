import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, nn, openDevice } from "../../engine/index.js";
import { RunConfig, type RunConfigInput, trainMiss } from "../../models/index.js";
import { adapt } from "../../models/miss/adaptation.js";
import { presets } from "../../models/miss/config.js";
import { MissNetwork } from "../../models/miss/network.js";
import { type Answering, predict } from "../../models/miss/predict.js";
import { MissTokenizer } from "../../models/miss/tokenizer.js";
import { bertVocabulary, organSmoke, radiograph } from "./support.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-answers-"));
let device: Device;
beforeAll(async () => {
  device = await openDevice("cpu");
});
afterAll(() => {
  device.close();
  rmSync(folder, { recursive: true });
});

const prefixed = { vit: "F", jtm: "F", dec: "prefix", tokens: 10 } as const;
/** Of so many ids, with those around it. */
const answer = (ids: number) =>
  Array(ids - 2)
    .fill("yes")
    .join(" ");

/** A run of one step on rows whose answers have so many ids; true where it was trained. */
async function trained(lengths: readonly number[], change: Partial<RunConfigInput>): Promise<boolean> {
  const [file, out] = [join(folder, "rows.csv"), join(folder, `run-${lengths.join("-")}-${"adaptation" in change}`)];
  const rows = [...lengths, 3].map(
    (length, i) => `${radiograph},question ${i},${answer(length)},${i < lengths.length ? "train" : "test"}`,
  );
  writeFileSync(file, ["image,question,answer,split", ...rows].join("\n"));
  const data = { set: "table", file, allowLeak: true } as const;
  const config = RunConfig.parse({
    ...{ ...organSmoke, data, validation: 0, imageSize: 16, epochs: 1, answering: { method: "generate" } },
    ...change,
  });
  try {
    return (await trainMiss(config, { device, out, bertVocabulary, dataThreads: 0 })).steps === 1;
  } catch (error) {
    expect(existsSync(out), "refused before anything is written").toBe(false);
    throw error;
  }
}

describe("answers of training rows", () => {
  test("that fill the model's positions are trained; longer ones are refused by their lines", async () => {
    expect(await trained([64, 3], {})).toBe(true);
    await expect(trained([65, 3, 80], {})).rejects.toThrow(
      /rows\.csv: the answer does not fit into the model's 64 positions \(lines 2 and 4\).*Shorten it, or leave the row out/,
    );
  });

  test("stand behind the virtual tokens of a prefixed decoder", async () => {
    expect(await trained([54, 3], { adaptation: prefixed })).toBe(true);
    await expect(trained([3, 55], { adaptation: prefixed })).rejects.toThrow(
      "does not fit into the 54 of the model's 64 positions that are behind the decoder's 10 virtual tokens (line 3)",
    );
    const answering = { method: "generate", maxLength: 55 } as const;
    await expect(trained([3, 4], { adaptation: prefixed, answering })).rejects.toThrow(
      "Answers of `maxLength` 55 do not fit into the 54 of",
    );
  });
});

test("answers that are written, or chosen from a list, are refused before the first question", async () => {
  const tokenizer = new MissTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "yes"]);
  const { pad, sep, dec, enc, size: vocab } = tokenizer;
  const init = new nn.Initializer(device, 1, { empty: true });
  using network = new MissNetwork(init, { ...presets.tiny, vocab, pad, sep, dec, enc });
  adapt(network, init, RunConfig.parse({ ...organSmoke, adaptation: prefixed }).adaptation);
  const predicted = (answering: Answering) => predict(network, tokenizer, null as never, [], { answering, batch: 1 });
  const rank = (ids: number): Answering => ({ method: "rank", answers: [answer(ids)], k: 1, maskQuestionPads: false });
  const generate = (maxLength: number): Answering => ({
    method: "generate",
    beams: 1,
    maxLength,
    maskQuestionPads: false,
  });
  expect(await predicted(rank(54))).toEqual([]);
  expect(await predicted(generate(54))).toEqual([]);
  await expect(predicted(rank(55))).rejects.toThrow(
    "An answer of the list has 55 ids, which do not fit into the 54 of",
  );
  await expect(predicted(generate(55))).rejects.toThrow("`maxLength` 55 do not fit into the 54 of");
});
