import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Conversation } from "../../models/data/conversation-form.js";
import { randomStream } from "../../models/data/random.js";
import { collate, collateImages, requirePlaces } from "../../models/med-moe/input/collate.js";
import { encodeWithImages } from "../../models/med-moe/input/image-tokens.js";
import { fewerImages } from "../../models/med-moe/input/most-images.js";
import { IGNORE, trainingSample } from "../../models/med-moe/input/sample.js";
import { formatPrompt, templateNamed, templateOf } from "../../models/med-moe/input/template.js";
import type { Message } from "../../models/text/message.js";

interface Golden {
  readonly stablelm_and_phi: readonly {
    readonly turns: readonly [who: "human" | "gpt", text: string][];
    readonly prompt: string;
    readonly ids: number[];
    readonly labels: number[];
    readonly generation_prompt: string;
    readonly generation_ids: number[];
  }[];
  readonly plain: readonly { caption: string; prompt: string; ids: number[]; labels: number[] }[];
}

const golden: Golden = JSON.parse(readFileSync("test/fixtures/med-moe/prompts.json", "utf8"));

/** The tokenizer of the golden file: a byte b is id b + 4, the end of a text is 2. */
const toy = {
  bos: null as number | null,
  pad: 3,
  encode: (text: string) =>
    text
      .split("<|endoftext|>")
      .flatMap((part, i) => [...(i > 0 ? [2] : []), ...[...Buffer.from(part)].map((b) => b + 4)]),
};

const conversation = (turns: Golden["stablelm_and_phi"][number]["turns"]): Message[] =>
  turns.map(([who, text]) => ({ role: who === "human" ? "user" : "assistant", text }));

const question = (text: string): Message => ({ role: "user", text });
const answer = (text: string): Message => ({ role: "assistant", text });

describe.each(["stablelm", "phi", "phi2"])("template %s", (name) => {
  const template = templateNamed(name);
  test.each(golden.stablelm_and_phi.map((row) => [row.prompt.slice(155), row] as const))("%s", (_, row) => {
    const messages = conversation(row.turns);
    expect(formatPrompt(template, messages)).toBe(row.prompt);
    const sample = trainingSample(template, messages, toy);
    expect(sample).toEqual({ ids: row.ids, labels: row.labels, warning: null });
    const asked = formatPrompt(template, messages.slice(0, -1));
    expect(asked).toBe(row.generation_prompt);
    expect(encodeWithImages(toy, asked)).toEqual(row.generation_ids);
  });
});

describe("template plain", () => {
  const template = templateNamed("plain");
  test.each(golden.plain)("$caption", ({ caption, prompt, ids, labels }) => {
    const messages = [question("<image>\nDescribe it."), answer(caption)];
    expect(formatPrompt(template, messages)).toBe(prompt);
    expect(trainingSample(template, messages, toy)).toEqual({ ids, labels, warning: null });
    expect(formatPrompt(template, messages.slice(0, 1))).toBe("<image>");
  });

  test("every image in front is masked", () => {
    const { ids, labels } = trainingSample(template, [question("<image><image>"), answer("A")], toy);
    expect([ids, labels]).toEqual([
      [-200, -200, 69, 14],
      [IGNORE, IGNORE, 69, 14],
    ]);
  });

  test("a second question has no place", () => {
    const messages = ["<image>", "A", "more?", "B"].map((text, i) => (i % 2 ? answer(text) : question(text)));
    expect(() => trainingSample(template, messages, toy)).toThrow("an image and its caption, two messages");
  });
});

test("template simple: a greeting comes first, ### ends each message, and nothing is trained with it", () => {
  const template = templateNamed("simple");
  const messages = [question("<image>\nWhere?")];
  expect(formatPrompt(template, messages)).toMatch(
    /^You are LLaVA-Med, .* architecture\.You are designed .* language\.Follow the instructions carefully\.###Human: Hi!###Assistant: Hi there! {2}How can I help you today\?\n###Human: <image>\nWhere\?###Assistant:$/,
  );
  expect(() => trainingSample(template, [...messages, answer("Left")], toy)).toThrow("Take stablelm or phi.");
});

describe("which template", () => {
  test.each([
    ["llavaphi-2.7b-medmoe", "", "phi"],
    ["JsST/LLaVAStableLM-1.6b-medmoe", "", "stablelm"],
    ["stage3", "moe_llava_stablelm", "stablelm"],
    ["my-model", "moe_llava_phi", "phi"],
  ])("%s %s: %s", (name, type, template) => expect(templateOf(name, type).name).toBe(template));

  test("a name that says nothing", () => {
    expect(() => templateOf("stage3")).toThrow(
      'The name "stage3" does not say which template the model was tuned with. Name one: stablelm, phi, plain, simple.',
    );
  });

  test("unknown names list those that are, the nearest first", () => {
    expect(() => templateNamed("stablml")).toThrow(
      'There is no template "stablml". Did you mean "stablelm"? Templates are stablelm, phi, plain, simple.',
    );
    expect(() => templateNamed("toString")).toThrow('There is no template "toString". Templates are');
  });
});

describe("turns", () => {
  const template = templateNamed("phi");
  test.each([
    [[], "A conversation needs a message."],
    [[answer("x")], "Message 1 is the assistant's: messages alternate, the user's comes first."],
    [[question("x"), question("y")], "Message 2 is the user's"],
  ])("%j", (messages, text) => expect(() => formatPrompt(template, messages)).toThrow(text));

  test("without an answer there is nothing to train", () =>
    expect(() => trainingSample(template, [question("x")], toy)).toThrow("ends with an answer"));
});

describe("labels", () => {
  const template = templateNamed("stablelm");
  test.each([
    ["an answer that spells the end of a text", "No <|endoftext|> more"],
    ["an answer that spells a role", "It says ASSISTANT: yes"],
  ])("%s: nothing is trained, with a warning", (_, text) => {
    const { labels, warning } = trainingSample(template, [question("Why?"), answer(text)], toy);
    expect(new Set(labels)).toEqual(new Set([IGNORE]));
    expect(warning).toMatch(/^tokenization mismatch: its rounds have \d+ ids, the whole has \d+; it is not trained$/);
  });

  test("a question that fills the context leaves no answer", () => {
    const messages = [question("x".repeat(50)), answer("yes")];
    const { ids } = trainingSample(template, messages, toy);
    const cut = trainingSample(template, messages, toy, ids.length - 5);
    expect(cut.warning).toBe(
      `its question fills all ${ids.length - 5} ids, so that no answer is left; it is not trained`,
    );
    expect(trainingSample(template, messages, toy, ids.length - 4).warning).toBeNull();
  });

  test("a tokenizer that starts every text does so once", () => {
    const starting = { ...toy, bos: 1, encode: (text: string) => [1, ...toy.encode(text)] };
    expect(encodeWithImages(starting, "<image>\nA<image>")).toEqual([1, -200, 14, 69, -200]);
    expect(encodeWithImages(starting, "A<image>")).toEqual([1, 69, -200]);
  });
});

describe("collate", () => {
  const samples = [
    { ids: [-200, 5, 6, 2], labels: [IGNORE, IGNORE, 6, 2] },
    { ids: [7, 2], labels: [7, 2] },
    { ids: [5, -200, 5, -200, 2], labels: [IGNORE, IGNORE, IGNORE, IGNORE, 2] },
  ];

  test("pads on the right; labels of padding do not count", () => {
    const { B, L, ids, mask, labels, images } = collate(samples, 3);
    expect([B, L]).toEqual([3, 5]);
    expect([...ids]).toEqual([-200, 5, 6, 2, 3, 7, 2, 3, 3, 3, 5, -200, 5, -200, 2]);
    expect([...mask]).toEqual([1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1]);
    expect([...labels.subarray(0, 10)]).toEqual([IGNORE, IGNORE, 6, 2, IGNORE, 7, 2, IGNORE, IGNORE, IGNORE]);
    expect([...images]).toEqual([1, 0, 2]);
  });

  test("cuts to the longest length; images that lost their place are not counted", () => {
    const { L, ids, images } = collate(samples, 3, 3);
    expect(L).toBe(3);
    expect([...ids]).toEqual([-200, 5, 6, 7, 2, 3, 5, -200, 5]);
    expect([...images]).toEqual([1, 0, 1]);
  });

  test("no samples are an empty batch", () => expect(collate([], 3)).toMatchObject({ B: 0, L: 0 }));
});

describe("images of a batch", () => {
  const image = (value: number) => new Float32Array(12).fill(value);

  test("in the order of their places; a text without one has zeros, a cut one the first of its own", () => {
    const pixels = collateImages(
      { images: Int32Array.of(2, 0, 1) },
      [[image(1), image(2)], [], [image(3), image(4)]],
      2,
    );
    expect(pixels.filter((_, i) => i % 12 === 0)).toEqual(Float32Array.of(1, 2, 0, 3));
    expect(pixels).toHaveLength(48);
  });

  test("too few of them, or of another size", () => {
    expect(() => collateImages({ images: Int32Array.of(2) }, [[image(1)]], 2)).toThrow("1 images for 2 <image>");
    expect(() => collateImages({ images: Int32Array.of(1) }, [[image(1)]], 4)).toThrow("12 values, 48 are needed");
    expect(() => requirePlaces(1, 2)).toThrow("2 images for 1 <image> in the text: each image has one place there.");
    expect(() => requirePlaces(1, 1)).not.toThrow();
  });
});

describe("more than 16 images", () => {
  const conversation = (n: number): Conversation => ({
    images: Array.from({ length: n }, (_, i) => `${i}.jpg`),
    messages: [question(Array.from({ length: n }, (_, i) => `${i}<image>`).join(" ")), answer("x")],
    place: "item 1",
  });

  test("16 by chance in their order, whose places stay", () => {
    const { images, messages } = fewerImages(conversation(20), randomStream(3, "images"));
    expect(images).toHaveLength(16);
    const numbers = images.map((name) => Number.parseInt(name, 10));
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    const left = messages[0].text.split(" ").filter((word) => word.endsWith("<image>"));
    expect(left).toEqual(numbers.map((i) => `${i}<image>`));
    expect(messages[0].text.split(" ")).toHaveLength(20);
    expect(fewerImages(conversation(20), randomStream(4, "images")).images).not.toEqual(images);
  });

  test("16 are not too many", () => {
    const sixteen = conversation(16);
    expect(fewerImages(sixteen, randomStream(3, "images"))).toBe(sixteen);
  });
});
