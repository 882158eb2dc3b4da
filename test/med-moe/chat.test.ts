import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, noGrad, OptionError, openDevice } from "../../engine/index.js";
import {
  ChatMemory,
  type ChatOptions,
  generate,
  languageModel,
  MedMoe,
  type Message,
  NotANumberError,
} from "../../models/index.js";
import { encodeWithImages } from "../../models/med-moe/input/image-tokens.js";
import { imageFile, speakingModel } from "./support.js";
import { ASKED, answerOf, assistant, user } from "./talking.js";

const scratch = mkdtempSync(join(tmpdir(), "consilium-chat-"));
const IMAGES = ["synpic100132.jpg", "synpic100176.jpg", "synpic12210.jpg"].map(imageFile);
let device: Device;
let model: MedMoe;
let folder: string;
beforeAll(async () => {
  device = await openDevice("reference");
  folder = await speakingModel("stablelm", join(scratch, "stablelm"));
  model = await MedMoe.load(folder, { device });
});
afterAll(() => {
  model.dispose();
  device.close();
  rmSync(scratch, { recursive: true });
});

const answer = (messages: readonly Message[], options?: ChatOptions, from = model) => answerOf(from, messages, options);

const SYSTEM =
  "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite " +
  "answers to the user's questions. ";

describe("an answer", () => {
  test("is what generation says to the published prompt and the images", async () => {
    const { text, pieces, end } = await answer(ASKED, { images: [IMAGES[0]] });
    const { tokenizer, network } = model;
    const prompt = encodeWithImages(tokenizer!, `${SYSTEM}USER: <image>\nWhich organ is shown? ASSISTANT:`);
    const asked = model.answerer({ pad: network.config.vision.pad });
    using rows = await asked.embeds({ images: [IMAGES[0]], messages: ASKED, place: "here" });
    const lm = languageModel(network, { vocabulary: tokenizer!.size });
    const [{ ids }] = await generate(lm, [rows], { maxNewTokens: 8, stopIds: [tokenizer!.eos] });
    expect(text).toBe(tokenizer!.decode(ids).trim());
    expect(pieces.length).toBeGreaterThan(3);
    expect(end).toEqual({ finish: "length", prompt: prompt.length + 8, remembered: 0, tokens: 8 });
    expect(rows.shape[0]).toBe(end.prompt);
  });

  test("depends on the image, on its order among several, and on earlier turns", async () => {
    const one = (image: string) => answer(ASKED, { images: [image] });
    const two = (...images: string[]) => answer([user("<image>\n<image>\nCompare these.")], { images });
    const later = (said: string) => answer([...ASKED, assistant(said), user("Why?")], { images: [IMAGES[0]] });
    const all = [
      await one(IMAGES[0]),
      await one(IMAGES[1]),
      await two(IMAGES[0], IMAGES[1]),
      await two(IMAGES[1], IMAGES[0]),
      await later("A liver."),
      await later("A lung."),
    ];
    expect(new Set(all.map(({ text }) => text)).size).toBe(all.length);
  });

  test("images as paths, bytes and pixels; padded as the model was tuned, or otherwise", async () => {
    const { text } = await answer(ASKED, { images: [IMAGES[2]] });
    expect((await answer(ASKED, { images: [new Uint8Array(readFileSync(IMAGES[2]))] })).text).toBe(text);
    const { pad } = model.network.config.vision;
    expect((await answer(ASKED, { images: [IMAGES[2]], pad })).text).toBe(text);
    expect((await answer(ASKED, { images: [IMAGES[2]], pad: !pad })).text).not.toBe(text);
  });

  test("sampling: the same seed, the same text; few candidates are the greedy one", async () => {
    const images = [IMAGES[0]];
    const sampled = (more: ChatOptions) => answer(ASKED, { images, temperature: 2, ...more });
    const { text } = await answer(ASKED, { images });
    const seeds = await Promise.all([sampled({ seed: 1 }), sampled({ seed: 1 }), sampled({ seed: 2 })]);
    expect(seeds[0].text).toBe(seeds[1].text);
    expect(seeds[0].text).not.toBe(seeds[2].text);
    expect((await sampled({ topK: 1 })).text).toBe(text);
    expect((await sampled({ topP: 1e-9 })).text).toBe(text);
  });

  test("ends at a stop string, which is not said, nor blanks before it", async () => {
    const { text } = await answer(ASKED, { images: [IMAGES[0]] });
    const stop = text.slice(-4);
    const stopped = await answer(ASKED, { images: [IMAGES[0]], stop: [stop] });
    expect(stopped.end.finish).toBe("stop");
    expect(stopped.text).toBe(text.slice(0, text.indexOf(stop)).trimEnd());
  });

  test("goes on to the last position where that comes first", async () => {
    const { positions } = model.network.model.config;
    const messages = [user("why ".repeat(110))];
    const { end } = await answer(messages, { maxNewTokens: 100_000 });
    expect(end.prompt).toBeGreaterThan(positions - 100);
    expect([end.finish, end.prompt + end.tokens]).toEqual(["length", positions]);
  });

  test("two of the same model at once say what each says alone", async () => {
    const alone = [await answer(ASKED, { images: [IMAGES[0]] }), await answer([user("why")])];
    const together = await Promise.all([answer(ASKED, { images: [IMAGES[0]] }), answer([user("why")])]);
    expect(together).toEqual(alone);
  });
});

describe("templates", () => {
  test("by the folder's name, by the family, or as asked for", async () => {
    expect(model.template.name).toBe("stablelm");
    using simple = await MedMoe.load(folder, { device, template: "simple" });
    using phi = await MedMoe.load(folder, { device, template: "phi2" });
    expect([simple.template.name, phi.template.name]).toEqual(["simple", "phi"]);
    expect((await answer([user("why")], {}, phi)).text).toBe((await answer([user("why")])).text);
    expect((await answer([user("why")], {}, simple)).text).not.toBe((await answer([user("why")])).text);
  });

  test("plain: what is asked begins a caption", async () => {
    using plain = await MedMoe.load(folder, { device, template: "plain" });
    const { end } = await answer([user("<image>\nA liver ")], { images: [IMAGES[0]] }, plain);
    expect(end.prompt).toBe(9 + plain.tokenizer!.encode("A liver").length);
    await expect(answer([user("a"), assistant("b"), user("c")], {}, plain)).rejects.toThrow(
      "The template plain has no turns: ask with one message, which begins a caption.",
    );
  });
});

describe("a memory", () => {
  test("the next turn says what it would say without, and computes only what is new", async () => {
    using memory = new ChatMemory();
    const images = [IMAGES[0], IMAGES[1]];
    const messages: Message[] = [];
    let known = 0;
    for (const text of ["<image>\nWhich organ is shown?", "Is it normal?", "And this?\n<image>"]) {
      messages.push(user(text));
      const shown = images.slice(0, messages.length > 4 ? 2 : 1);
      const anew = await answer(messages, { images: shown });
      const { text: said, end } = await answer(messages, { images: shown, memory });
      expect(said).toBe(anew.text);
      expect(end).toEqual({ ...anew.end, remembered: end.remembered });
      expect(end.remembered).toBeGreaterThanOrEqual(known);
      known = end.prompt;
      messages.push(assistant(said));
    }
    expect(known).toBeGreaterThan(100);
  });

  test("another image, or another beginning, is computed anew", async () => {
    using memory = new ChatMemory();
    const first = await answer(ASKED, { images: [IMAGES[0]], memory });
    const before = encodeWithImages(model.tokenizer!, `${SYSTEM}USER: <image>`).length - 1;
    const other = await answer(ASKED, { images: [IMAGES[1]], memory });
    expect(other.end.remembered).toBe(before);
    expect(other.text).toBe((await answer(ASKED, { images: [IMAGES[1]] })).text);
    expect(await answer(ASKED, { images: [IMAGES[0]], memory })).toMatchObject({ text: first.text });
    // The same once more: all but the last row is there.
    const again = await answer(ASKED, { images: [IMAGES[0]], memory });
    expect([again.text, again.end.remembered]).toEqual([first.text, first.end.prompt - 1]);
  });

  test("goes on after an answer was stopped; one answer at a time; a model of its own", async () => {
    using memory = new ChatMemory();
    const chat = model.chat(ASKED, { images: [IMAGES[0]], memory });
    await chat.next();
    await expect(answer(ASKED, { images: [IMAGES[0]], memory })).rejects.toThrow(
      "chat: this memory is answering already. Give each conversation its own.",
    );
    await chat.return(undefined as never);
    const alone = await answer(ASKED, { images: [IMAGES[0]] });
    const { text, end } = await answer(ASKED, { images: [IMAGES[0]], memory });
    expect([text, end.remembered]).toEqual([alone.text, end.prompt - 1]);
    using other = await MedMoe.load(folder, { device });
    expect((await answer(ASKED, { images: [IMAGES[0]], memory }, other)).end).toEqual(alone.end);
  });
});

/** What `f` leaves on the device, done a second time: mixtures keep the numbers of their last step. */
async function left(f: () => Promise<unknown>): Promise<number> {
  await f();
  const before = device.memory().live;
  await f();
  return device.memory().live - before;
}

describe("the signal", () => {
  test("stops before the next token and frees what the answer held", async () => {
    const stopped = async () => {
      const stopping = new AbortController();
      const chat = model.chat(ASKED, { images: [IMAGES[0]], signal: stopping.signal });
      const before = device.memory().live;
      expect((await chat.next()).value).not.toBe("");
      expect(device.memory().live).toBeGreaterThan(before);
      stopping.abort(new Error("enough"));
      await expect(chat.next()).rejects.toThrow("enough");
      expect(await chat.next()).toEqual({ value: undefined, done: true });
    };
    expect(await left(stopped)).toBe(0);
  });

  test("that was given before stops it at once", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(answer(ASKED, { images: ["nowhere.jpg"], signal })).rejects.toThrow("enough");
  });

  test("breaking off frees it, too", async () => {
    const broken = async () => {
      for await (const _ of model.chat(ASKED, { images: [IMAGES[0]] })) break;
    };
    expect(await left(broken)).toBe(0);
  });
});

describe("one clear error", () => {
  test.each<[string, readonly Message[], ChatOptions, string]>([
    ["no message", [], {}, "A conversation needs a message."],
    ["an empty one", [user(" ")], {}, "Message 1 is empty: ask something, or show an image (<image>)."],
    [
      "the last is the model's",
      [user("a"), assistant("b")],
      {},
      "The last message is the assistant's: one of the user's is answered.",
    ],
    [
      "two of the user's",
      [user("a"), user("b")],
      {},
      "Message 2 is the user's: messages alternate, the user's comes first.",
    ],
    [
      "more images than places",
      ASKED,
      { images: [IMAGES[0], IMAGES[1]] },
      "Images given: 2; places for one in the messages (<image>): 1. Each image has its place, in their order.",
    ],
    ["more places than images", ASKED, {}, "Images given: 0; places for one in the messages (<image>): 1."],
    [
      "a text that fills the context",
      [user(`<image>${"why ".repeat(600)}`)],
      { images: [IMAGES[0]] },
      "of the model's 512 positions (",
    ],
    [
      "a temperature below 0",
      ASKED,
      { images: [IMAGES[0]], temperature: -1 },
      "`temperature` is -1; a number of 0 or more",
    ],
    ["a part of a token", ASKED, { images: [IMAGES[0]], maxNewTokens: 1.5 }, "`maxNewTokens` is 1.5; a whole number"],
    ["an empty stop string", ASKED, { images: [IMAGES[0]], stop: [""] }, "a stop string is empty"],
  ])("%s", async (_, messages, options, text) => {
    const refused = answer(messages, options).catch((error) => error);
    expect(await refused).toBeInstanceOf(OptionError);
    expect((await refused).message).toContain(text);
  });

  test("an image that is none is named", async () => {
    const file = join(scratch, "none.jpg");
    writeFileSync(file, "no image");
    await expect(answer(ASKED, { images: [file] })).rejects.toThrow(/none\.jpg/);
    await expect(answer(ASKED, { images: [new Uint8Array(3)] })).rejects.toThrow(/image 1/);
  });

  test("an unknown template, before anything is loaded", async () => {
    await expect(MedMoe.load(join(scratch, "nowhere"), { device, template: "vicuna" })).rejects.toThrow(
      'There is no template "vicuna". Templates are stablelm, phi, plain, simple.',
    );
  });

  test("a model without a tokenizer loads, and says so when it is spoken to", async () => {
    const bare = await speakingModel("stablelm", join(scratch, "bare"));
    for (const name of ["vocab.json", "merges.txt"]) rmSync(join(bare, name));
    using silent = await MedMoe.load(bare, { device });
    expect(silent.tokenizer).toBeNull();
    expect(() => silent.chat([user("why")])).toThrow(
      `${bare} has no tokenizer, so that it understands no words: neither tokenizer.json nor vocab.json with merges.txt.`,
    );
  });

  test("logits that are NaN", async () => {
    using damaged = await MedMoe.load(folder, { device });
    const { weight } = damaged.network.lm_head;
    noGrad(() => weight.write(new Float32Array(weight.size).fill(Number.NaN)));
    const failed = () => expect(answer([user("why")], {}, damaged)).rejects.toThrow(NotANumberError);
    expect(await left(failed)).toBe(0);
  });

  test("a placeholder that an answer spells is no place for an image", async () => {
    const messages = [...ASKED, assistant("See <image>."), user("Why?")];
    const spelled = await answer(messages, { images: [IMAGES[0]] });
    const clean = await answer([...ASKED, assistant("See ."), user("Why?")], { images: [IMAGES[0]] });
    expect(spelled.text).toBe(clean.text);
  });
});
