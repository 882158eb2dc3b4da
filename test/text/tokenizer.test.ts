import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadVqaRad } from "../../models/data/vqa-rad.js";
import { trainingSample } from "../../models/med-moe/input/sample.js";
import { templateNamed } from "../../models/med-moe/input/template.js";
import { BYTES, byteBpeJson } from "../../models/text/byte-bpe.js";
import type { TextTokenizer } from "../../models/text/text-tokenizer.js";
import { type LoadedTokenizer, loadTokenizer } from "../../models/text/tokenizer-folder.js";
import { trainByteBpe } from "../../models/text/train-byte-bpe.js";

type Pairs = [text: string, ids: number[]][];
const FIXTURES = "test/fixtures/tokenizers";
const expected: Record<"gpt2" | "arcade100k", Pairs> = JSON.parse(readFileSync(`${FIXTURES}/expected.json`, "utf8"));

const scratch = mkdtempSync(join(tmpdir(), "consilium-tokenizers-"));
afterAll(() => rmSync(scratch, { recursive: true }));
let folders = 0;

/** A folder with the files of a fixture, changed: null takes one out. */
function folderOf(files: Readonly<Record<string, string | object | null>>, fixture?: string): string {
  const folder = join(scratch, String(folders++));
  if (fixture) cpSync(`${FIXTURES}/${fixture}`, folder, { recursive: true });
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    if (content === null) rmSync(join(folder, name));
    else writeFileSync(join(folder, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return folder;
}

/** Phi-2's pieces behind GPT-2's: runs of 31 to 2 blanks, then of 9 to 2 tabs. */
const BLANKS = [
  ...Array.from({ length: 30 }, (_, i) => " ".repeat(31 - i)),
  ...Array.from({ length: 8 }, (_, i) => "\t".repeat(9 - i)),
];
const phiFiles = {
  "added_tokens.json": Object.fromEntries(BLANKS.map((piece, i) => [piece, 50257 + i])),
  "special_tokens_map.json": { bos_token: "<|endoftext|>", eos_token: "<|endoftext|>", unk_token: "<|endoftext|>" },
  "tokenizer_config.json": { tokenizer_class: "CodeGenTokenizer", clean_up_tokenization_spaces: true },
};

/** StableLM-2's special pieces, from 100257 on. */
const STABLE = [
  "<|endoftext|>",
  ...["prefix", "middle", "suffix", "pad"].map((name) => `<|fim_${name}|>`),
  ..."gh_stars filename issue_start issue_comment issue_closed jupyter_start jupyter_text jupyter_code jupyter_output empty_output commit_before commit_msg commit_after reponame"
    .split(" ")
    .map((name) => `<${name}>`),
  ...["endofprompt", "im_start", "im_end", "pause"].map((name) => `<|${name}|>`),
  ...Array.from({ length: 8 }, (_, i) => `<|reg${i}|>`),
  "<|extra0|>",
];
const stableFiles = {
  "tokenizer_config.json": {
    added_tokens_decoder: Object.fromEntries(
      STABLE.map((content, i) => [String(100257 + i), { content, special: true, lstrip: false }]),
    ),
    eos_token: "<|endoftext|>",
    pad_token: "<|endoftext|>",
  },
};

let gpt2Vocab: Record<string, number>;
let phiVocab: Record<string, number>;
let phi: LoadedTokenizer;
let stable: LoadedTokenizer;

beforeAll(async () => {
  gpt2Vocab = JSON.parse(readFileSync(`${FIXTURES}/gpt2/vocab.json`, "utf8"));
  phiVocab = { ...gpt2Vocab, "<|endoftext|>": 50256 };
  phi = await loadTokenizer(folderOf({ ...phiFiles, "vocab.json": phiVocab }, "gpt2"), "phi");
  stable = await loadTokenizer(folderOf(stableFiles, "arcade100k"), "stablelm");
});

describe("published ids", () => {
  test("GPT-2, and so Phi-2: 150 texts of jtokkit's tests and 60 questions of VQA-RAD", async () => {
    const { tokenizer } = await loadTokenizer(folderOf({ "vocab.json": phiVocab }, "gpt2"), "phi");
    expect(expected.gpt2).toHaveLength(210);
    let same = 0;
    for (const [text, ids] of expected.gpt2) {
      expect(tokenizer.encode(text), text).toEqual(ids);
      // Phi-2 has pieces for runs of blanks.
      if (BLANKS.some((run) => text.includes(run))) continue;
      expect(phi.tokenizer.encode(text), text).toEqual(ids);
      same++;
    }
    expect(same).toBeGreaterThan(190);
  });

  test("Arcade100k: 100 texts of jtokkit's tests and 60 questions of VQA-RAD", () => {
    expect(expected.arcade100k).toHaveLength(160);
    for (const [text, ids] of expected.arcade100k) expect(stable.tokenizer.encode(text), text).toEqual(ids);
  });

  test("special pieces, sizes, padding that is not the end of a text", () => {
    const of = ({ size, bos, eos, pad }: TextTokenizer) => ({ size, bos, eos, pad });
    expect(of(phi.tokenizer)).toEqual({ size: 50296, bos: null, eos: 50256, pad: 50295 });
    expect(of(stable.tokenizer)).toEqual({ size: 100289, bos: null, eos: 100257, pad: 100280 });
    expect(phi.tokenizer.encode("a<|endoftext|>b")).toEqual([64, 50256, 65]);
    expect(stable.tokenizer.encode("a<|endoftext|>b<|reg0|>")).toEqual([64, 100257, 65, 100280]);
    expect(stable.tokenizer.encode("<|im_start|><gh_stars>")).toEqual([100277, 100262]);
  });

  test("Phi-2: runs of blanks are pieces, the longest first", () => {
    expect(phi.tokenizer.encode(" ".repeat(31))).toEqual([50257]);
    expect(phi.tokenizer.encode("  ")).toEqual([50286]);
    expect(phi.tokenizer.encode("\t\t")).toEqual([50294]);
    expect(phi.tokenizer.encode(" ".repeat(33))).toEqual([50257, 50286]);
  });

  test("Arcade100k: single digits, NFC", () => {
    expect(stable.tokenizer.encode("123")).toEqual([16, 17, 18]);
    expect(stable.tokenizer.encode("e\u0301")).toEqual(stable.tokenizer.encode("\u00e9"));
    expect(phi.tokenizer.encode("e\u0301")).not.toEqual(phi.tokenizer.encode("\u00e9"));
  });
});

describe("decode", () => {
  test("leaves special pieces out, unless asked", () => {
    const ids = stable.tokenizer.encode("No.<|endoftext|>");
    expect(stable.tokenizer.decode(ids)).toBe("No.");
    expect(stable.tokenizer.decode(ids, { special: true })).toBe("No.<|endoftext|>");
    expect(stable.tokenizer.decode([])).toBe("");
    expect(stable.tokenizer.decode(Int32Array.from(ids))).toBe("No.");
  });

  test("a character that is cut is U+FFFD; an id outside is an error", () => {
    const bytes = [...Buffer.from("☃")].map((byte) => gpt2Vocab[BYTES[byte]]);
    expect(phi.tokenizer.decode(bytes)).toBe("☃");
    expect(phi.tokenizer.decode(bytes.slice(0, 2))).toBe("\ufffd");
    expect(() => phi.tokenizer.decode([1, 50296])).toThrow("decode: id 50296 at position 1, the vocabulary has 50296.");
  });

  test("any text comes back, in the form NFC for StableLM-2", async () => {
    const plain = { ...phiFiles, "tokenizer_config.json": { clean_up_tokenization_spaces: false } };
    const exact = await loadTokenizer(folderOf({ ...plain, "vocab.json": phiVocab }, "gpt2"), "phi");
    const verbatim = { ...stableFiles["tokenizer_config.json"], clean_up_tokenization_spaces: false };
    const normal = await loadTokenizer(folderOf({ "tokenizer_config.json": verbatim }, "arcade100k"), "stablelm");
    const text = fc.string({ unit: "grapheme", maxLength: 40 });
    fc.assert(
      fc.property(text, (text) => {
        fc.pre(Buffer.from(text).toString() === text);
        expect(exact.tokenizer.decode(exact.tokenizer.encode(text))).toBe(text);
        expect(normal.tokenizer.decode(normal.tokenizer.encode(text))).toBe(text.normalize("NFC"));
      }),
    );
  });
});

describe("files", () => {
  test("what is written loads as the same tokenizer, with the piece for padding in it", async () => {
    for (const [{ tokenizer, files }, family] of [
      [phi, "phi"],
      [stable, "stablelm"],
    ] as const) {
      const again = await loadTokenizer(folderOf(files), family);
      const { size, eos, pad } = again.tokenizer;
      expect({ size, eos, pad }).toEqual({ size: tokenizer.size, eos: tokenizer.eos, pad: tokenizer.pad });
      const text = "Is the lung  clear?<|endoftext|>\t\t";
      expect(again.tokenizer.encode(text)).toEqual(tokenizer.encode(text));
      expect(again.files).toEqual(files);
    }
    expect(Object.keys(JSON.parse(phi.files["added_tokens.json"]))).toHaveLength(39);
    expect(JSON.parse(phi.files["added_tokens.json"])["<|extra_0|>"]).toBe(50295);
  });

  test("tokenizer.json goes before the lists, and says itself how texts are cut", async () => {
    const vocab = JSON.parse(readFileSync(`${FIXTURES}/arcade100k/vocab.json`, "utf8"));
    const merges = readFileSync(`${FIXTURES}/arcade100k/merges.txt`, "utf8").split("\n").slice(1, -1);
    const pairs = merges.map((line) => line.split(" ") as [string, string]);
    const special = STABLE.map((content, i) => ({ id: 100257 + i, content, special: true }));
    const json = byteBpeJson(vocab, pairs, special, "arcade100k");
    const folder = folderOf({ "tokenizer.json": json, "vocab.json": "broken", "merges.txt": "" });
    const { tokenizer } = await loadTokenizer(folder, "phi");
    for (const [text, ids] of expected.arcade100k) expect(tokenizer.encode(text)).toEqual(ids);
    expect([tokenizer.eos, tokenizer.pad]).toEqual([100257, 100289]);
  });

  test("lists of StableLM-2 cut as GPT-2's tokenizer would, where that is asked for", async () => {
    const folder = folderOf(stableFiles, "arcade100k");
    const { tokenizer } = await loadTokenizer(folder, "stablelm", { split: "gpt2" });
    expect(tokenizer.encode("e\u0301")).not.toEqual(tokenizer.encode("\u00e9"));
  });

  test.each([
    ["nothing", () => folderOf({}), /it has no tokenizer: neither tokenizer\.json nor vocab\.json with merges\.txt/],
    ["no merges", () => folderOf({ "merges.txt": null }, "gpt2"), /it has no tokenizer/],
    ["a vocabulary that is none", () => folderOf({ "vocab.json": ["a"] }, "gpt2"), /vocab\.json: 1 problem/],
    ["broken JSON", () => folderOf({ "vocab.json": "{" }, "gpt2"), /vocab\.json:1:2/],
    ["an id that is none", () => folderOf({ "vocab.json": { a: -1 } }, "gpt2"), /vocab\.json: .*\n.*a: /],
    [
      "a merge that is no pair",
      () => folderOf({ "vocab.json": phiVocab, "merges.txt": "#version: 0.2\na b c\n" }, "gpt2"),
      /merges\.txt:2: "a b c" is no pair of pieces/,
    ],
    [
      "merges of another model",
      () => folderOf({ "vocab.json": phiVocab, "merges.txt": "x y z\n".replace(" z", "qq") }, "gpt2"),
      /merges\.txt:1: "xyqq" is not in vocab\.json. Take both of one model/,
    ],
    [
      "a merge named like a method",
      () => folderOf({ "vocab.json": phiVocab, "merges.txt": "to String\n" }, "gpt2"),
      /"toString" is not in vocab\.json/,
    ],
    [
      "bytes without pieces",
      () => folderOf({ "vocab.json": { a: 0 }, "merges.txt": "" }),
      /255 of 256 bytes have no piece \(0, 1, 2, 3, 4, \.\.\.\)/,
    ],
    ["no end of a text", () => folderOf({}, "gpt2"), /vocab\.json: it has no <\|endoftext\|>/],
    [
      "tokenizer.json of another kind",
      () => folderOf({ "tokenizer.json": { model: { type: "Unigram", vocab: {} } } }),
      /tokenizer\.json: 1 problem/,
    ],
  ] as const)("%s", async (_, folder, message) => {
    await expect(loadTokenizer(folder(), "phi")).rejects.toThrow(message);
  });
});

describe("a vocabulary of its own", () => {
  test.each(["stablelm", "phi"] as const)("for a small %s, of the training texts of VQA-RAD", async (family) => {
    const { train, test } = await loadVqaRad("data/vqa-rad");
    const texts = train.flatMap(({ question, answer }) => [question, answer]);
    const files = trainByteBpe(texts, { size: 512, family });
    expect(trainByteBpe(texts.toReversed(), { size: 512, family })).toEqual(files);
    const { tokenizer } = await loadTokenizer(folderOf(files), family);
    expect([tokenizer.size, tokenizer.eos, tokenizer.pad]).toEqual([512, 510, 511]);
    let [bytes, ids] = [0, 0];
    for (const { question } of test) {
      const encoded = tokenizer.encode(question);
      expect(tokenizer.decode(encoded)).toBe(family === "stablelm" ? question.normalize("NFC") : question);
      bytes += Buffer.byteLength(question);
      ids += encoded.length;
    }
    // Questions that were not trained on have less than half as many ids as bytes.
    expect(ids).toBeLessThan(bytes / 2);
  });

  test("the most frequent pair first, equals in the order of their letters; never across a cut", () => {
    const files = trainByteBpe(["abab", "ab cd", "cd cd"], { size: 300, family: "phi" });
    // " cd" occurs twice; the pairs "c d" and "a b" three times each.
    expect(files["merges.txt"].split("\n")).toEqual(["#version: 0.2", "a b", "c d", "Ġ cd", ""]);
    expect(JSON.parse(files["vocab.json"]).ab).toBe(256);
  });

  test("the template's labels fit its pieces", async () => {
    const answer = "The liver is enlarged.";
    const files = trainByteBpe([answer, answer, "Is the liver enlarged?", "Yes"], { size: 320, family: "stablelm" });
    const { tokenizer } = await loadTokenizer(folderOf(files), "stablelm");
    const messages = [
      { role: "user", text: "<image>\nWhat is it?" },
      { role: "assistant", text: answer },
    ] as const;
    const { labels, warning } = trainingSample(templateNamed("stablelm"), messages, tokenizer);
    expect(warning).toBeNull();
    const trained = labels.filter((id) => id !== -100);
    expect(tokenizer.decode(trained, { special: true })).toBe(` ${answer}<|endoftext|>`);
  });

  test("too small a size", () =>
    expect(() => trainByteBpe([], { size: 257, family: "phi" })).toThrow(
      "A byte-level vocabulary has at least 258 pieces, not 257.",
    ));
});

test("labels of the published tokenizers: an answer and its end", () => {
  const messages = [
    { role: "user", text: "<image>\nIs this an axial image?" },
    { role: "assistant", text: "Yes" },
  ] as const;
  for (const [{ tokenizer }, name] of [
    [stable, "stablelm"],
    [phi, "phi"],
  ] as const) {
    const { labels, warning } = trainingSample(templateNamed(name), messages, tokenizer);
    expect(warning).toBeNull();
    expect(
      tokenizer.decode(
        labels.filter((id) => id !== -100),
        { special: true },
      ),
    ).toBe(" Yes<|endoftext|>");
  }
});
