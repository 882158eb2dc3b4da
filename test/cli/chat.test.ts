import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { openDevice } from "../../engine/index.js";
import { MedMoe } from "../../models/index.js";
import { goldenMedMoe, imageFile, speakingModel } from "../med-moe/support.js";
import { consilium, consiliumReading, consiliumStoppedAt, temporaryFolder } from "./support.js";

const TIMEOUT = 120_000;
const folder = temporaryFolder();
const model = join(folder, "stablelm");
const IMAGES = ["synpic100132.jpg", "synpic100176.jpg"].map(imageFile);
const WITH_IMAGE = ["--image-file", IMAGES[0]];

beforeAll(async () => {
  await speakingModel("stablelm", model);
}, TIMEOUT);

const asked = (...flags: string[]) => [
  "chat",
  ...["--model-path", model, "--device", "reference", "--max-new-tokens", "6", "--temperature", "0"],
  ...flags,
];

/** What the library answers to these turns. */
async function answers(turns: readonly string[], images: readonly string[]): Promise<string[]> {
  using device = await openDevice("reference");
  using loaded = await MedMoe.load(model, { device });
  const messages: { role: "user" | "assistant"; text: string }[] = [];
  for (const text of turns) {
    messages.push({ role: "user", text });
    let said = "";
    for await (const piece of loaded.chat(messages, { images, maxNewTokens: 6 })) said += piece;
    messages.push({ role: "assistant", text: said });
  }
  return messages.flatMap(({ role, text }) => (role === "assistant" ? [text] : []));
}

describe("chat", { timeout: TIMEOUT }, () => {
  test("--message once for each turn: standard output has the library's answers and nothing else", async () => {
    const args = asked(
      ...WITH_IMAGE,
      "--message",
      "Which organ is shown?",
      "--message",
      "Is it normal?",
      "--json",
      "-",
    );
    const { code, stdout, stderr } = await consilium(args);
    expect(code, stderr).toBe(0);
    const expected = await answers(["<image>\nWhich organ is shown?", "Is it normal?"], [IMAGES[0]]);
    const document = JSON.parse(stdout);
    expect(document).toMatchObject({
      version: 1,
      command: "chat",
      device: { name: "reference" },
      config: { model, template: "stablelm", images: [IMAGES[0]], temperature: 0, maxNewTokens: 6 },
      turns: [
        { message: "Which organ is shown?", answer: expected[0], finish: "length", tokens: 6, remembered: 0 },
        { message: "Is it normal?", answer: expected[1] },
      ],
    });
    const [first, second] = document.turns;
    expect(second.remembered).toBeGreaterThanOrEqual(first.prompt);
    expect(stderr).toContain(`${expected.join("\n")}\n`);
  });

  test("each line of standard input is a turn; sampled with a seed, the same again", async () => {
    const input = "Compare <image> and <image>.\n\nWhy?\n";
    const flags = ["--image-file", IMAGES[0], "--image-file", IMAGES[1]];
    const greedy = await consiliumReading(input, asked(...flags));
    expect(greedy.code, greedy.stderr).toBe(0);
    const expected = await answers(["Compare <image> and <image>.", "Why?"], IMAGES);
    expect(greedy.stdout).toBe(expected.map((text) => `${text}\n`).join(""));
    const sampled = () =>
      consiliumReading(input, asked(...flags, "--temperature", "3", "--top-p", "0.9", "--seed", "1"));
    const [once, again] = await Promise.all([sampled(), sampled()]);
    expect(once.code, once.stderr).toBe(0);
    expect(once.stdout).toBe(again.stdout);
    expect(once.stdout).not.toBe(greedy.stdout);
  });

  test("templates, padding, experts and stop strings change what is said", async () => {
    const said = async (...flags: string[]) => {
      const { code, stdout, stderr } = await consilium(asked(...WITH_IMAGE, "--message", "why", ...flags));
      expect(code, stderr).toBe(0);
      return stdout;
    };
    const plain = await said();
    const config = JSON.parse(readFileSync(join(model, "config.json"), "utf8"));
    const pad = config.image_aspect_ratio === "pad" ? "--no-pad" : "--pad";
    for (const flags of [["--conv-mode", "simple"], ["--top-k-experts", "2"], [pad]])
      expect(await said(...flags), flags.join(" ")).not.toBe(plain);
    const stop = plain.trim().slice(1, 3);
    expect(await said("--stop", stop)).toBe(`${plain.slice(0, plain.indexOf(stop)).trimEnd()}\n`);
  });

  test("Ctrl-C stops an answer", async () => {
    const args = asked(...WITH_IMAGE, "--message", "why", "--max-new-tokens", "400", "--json", "-");
    const { code, stdout, stderr } = await consiliumStoppedAt(/device: .*\n./, "SIGINT", args);
    expect(code, stderr).toBe(130);
    expect(stdout).toBe("");
    expect(stderr).toContain("consilium: stopped.");
  });
});

describe("one clear error", () => {
  const none = join(folder, "none.jpg");
  const miss = join(folder, "miss");
  const bare = join(folder, "bare");
  const other = join(folder, "other");
  const [run, begun, router] = ["run", "begun", "router"].map((name) => join(folder, name));
  const dense = join(folder, "dense");
  beforeAll(() => {
    writeFileSync(none, "no image");
    for (const name of [run, begun, router]) {
      mkdirSync(name);
      writeFileSync(join(name, "run.json"), "{}");
    }
    writeFileSync(join(run, "last.safetensors"), "");
    writeFileSync(join(router, "router.pth"), "");
    cpSync(join(goldenMedMoe, "stablelm"), dense, { recursive: true });
    const { moe: _, ...language } = JSON.parse(readFileSync(join(dense, "config.json"), "utf8"));
    writeFileSync(join(dense, "config.json"), JSON.stringify({ ...language, model_type: "llava_stablelm" }));
    cpSync(join(goldenMedMoe, "stablelm"), bare, { recursive: true });
    cpSync(join(goldenMedMoe, "stablelm"), other, { recursive: true });
    writeFileSync(join(other, "config.json"), JSON.stringify({ model_type: "llama" }));
    cpSync(join(goldenMedMoe, "stablelm"), miss, { recursive: true });
    writeFileSync(join(miss, "config.json"), JSON.stringify({ format: 1, model: { imageSize: 64, visionWidth: 96 } }));
  });
  const why = ["--message", "why"];
  test.concurrent.each<[string, string[], string[], number?]>([
    ["an unknown template", [...why, "--conv-mode", "vicuna"], ["Templates are stablelm, phi, plain, simple."]],
    ["a message without a place for the image", [...WITH_IMAGE, ...why, "--image-file", none], ["none.jpg"]],
    [
      "more places than images",
      [...WITH_IMAGE, "--message", "<image> and <image>"],
      ["Images given: 1; places for one in the messages (<image>): 2."],
    ],
    [
      "a text that fills the context",
      ["--message", "why ".repeat(600)],
      ["of the model's 512 positions", "begin a new one"],
    ],
    ["a MISS model", [...why, "--model-path", miss], ["it is that of a MISS model", "consilium eval miss"]],
    ["another family", [...why, "--model-path", other], ['model_type is "llama", which is another family of models']],
    [
      "a model without a tokenizer",
      [...why, "--model-path", bare],
      ["has no tokenizer, so that it understands no words"],
    ],
    ["a folder that is none", [...why, "--model-path", join(folder, "x")], ["there is no such folder or file"]],
    ["no message", [], ["there is no message: standard input is empty. Say one by --message."], 2],
    ["a token's part", [...why, "--max-new-tokens", "0"], ["It is a whole number from 1."], 2],
    ["a probability above 1", [...why, "--top-p", "2"], ["--top-p", "It is a number above 0, at most 1."], 2],
    [
      "experts of a token in a dense model",
      [...why, "--model-path", dense, "--top-k-experts", "2"],
      ["--top-k-experts is 2, but this model has no mixtures of experts: leave --top-k-experts out."],
    ],
    [
      "a run that is not finished",
      [...why, "--model-path", run],
      [
        `${run}: it holds a run that is not finished, and no model yet. Go on with: npx consilium train med-moe --out ${run} --resume`,
        `Or write its last checkpoint as a model: npx consilium export ${run} --out MODEL`,
      ],
    ],
    [
      "a run that stopped at once",
      [...why, "--model-path", begun],
      ["it holds a run that stopped before its first checkpoint. Go on with: npx consilium train med-moe"],
    ],
    [
      "what stage router made",
      [...why, "--model-path", router],
      ["it holds the router of stage router, and no model", `--router ${router}`],
    ],
  ])("%s", async (_, flags, named, exit = 1) => {
    const { code, stdout, stderr } = await consilium(asked(...flags));
    expect({ code, stdout }, stderr).toEqual({ code: exit, stdout: "" });
    for (const text of named) expect(stderr).toContain(text);
  });
});
