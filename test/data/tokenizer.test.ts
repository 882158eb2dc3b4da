import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { platform } from "#platform";
import { parseJson } from "../../engine/io/json.js";
import { normaliseAnswer } from "../../models/data/answers.js";
import { loadVqaRad } from "../../models/data/vqa-rad.js";
import { MissTokenizer } from "../../models/miss/tokenizer.js";
import { formatVocabulary, loadVocabulary, parseVocabulary, reduceVocabulary } from "../../models/miss/vocabulary.js";

type Pairs = [text: string, ids: number[]][];

let pieces: string[];
let tokenizer: MissTokenizer;
let expected: { shipped: Pairs; vqa_rad: Pairs };

beforeAll(async () => {
  pieces = await loadVocabulary("data/tokenizers/bert-base-uncased-vocab.txt");
  tokenizer = new MissTokenizer(pieces);
  const file = "data/tokenizers/bert-base-uncased-expected.json";
  expected = parseJson(await platform.readText(file), file) as typeof expected;
});

describe("bert-base-uncased", () => {
  test("207 pairs of swift-coreml-transformers and 60 questions of VQA-RAD", () => {
    expect([expected.shipped.length, expected.vqa_rad.length]).toEqual([207, 60]);
    for (const [text, ids] of [...expected.shipped, ...expected.vqa_rad]) {
      expect(tokenizer.pieceIds(text), text).toEqual(ids);
    }
  });

  test("ids of the special pieces", () => {
    const { pad, cls, sep, dec, enc, size } = tokenizer;
    expect({ pad, cls, sep, dec, enc, size }).toEqual({
      pad: 0,
      cls: 101,
      sep: 102,
      dec: 30522,
      enc: 30523,
      size: 30524,
    });
  });

  test("accents, case, Chinese characters, control characters, unknown characters", () => {
    expect(tokenizer.pieces("Naïve ÉCHO")).toEqual(["naive", "echo"]);
    expect(tokenizer.pieces("肺中")).toEqual(["[UNK]", "中"]);
    expect(tokenizer.pieces("le\u0000ft\u200b")).toEqual(["left"]);
    expect(tokenizer.pieces("a".repeat(101))).toEqual(["[UNK]"]);
    expect(tokenizer.pieces("  ")).toEqual([]);
  });
});

describe("batches", () => {
  test("questions start with [ENC], end with [SEP], are padded to the longest", () => {
    const batch = tokenizer.encodeQuestions(["Is this an MRI?", "Why?"]);
    expect([batch.B, batch.T]).toEqual([2, 7]);
    expect([...batch.ids]).toEqual([30523, 2003, 2023, 2019, 27011, 1029, 102, 30523, 2339, 1029, 102, 0, 0, 0]);
    expect([...batch.mask]).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0]);
    expect([...batch.lengths]).toEqual([7, 4]);
  });

  test("a long question is cut to 35 ids with [SEP] last, a long answer is not", () => {
    const long = "lung ".repeat(50);
    const question = tokenizer.encodeQuestions([long]);
    expect([question.T, question.ids[0], question.ids[33], question.ids[34]]).toEqual([35, 30523, 11192, 102]);
    const answer = tokenizer.encodeAnswers([long]);
    expect([answer.T, answer.ids[0], answer.ids[51]]).toEqual([52, 30522, 102]);
  });

  test("an empty text is its two special pieces; no texts are an empty batch", () => {
    expect([...tokenizer.encodeAnswers([""]).ids]).toEqual([30522, 102]);
    expect(tokenizer.encodeQuestions([])).toMatchObject({ B: 0, T: 0 });
  });

  test("maxLength has to leave room for the two special ids", () => {
    expect(() => tokenizer.encodeQuestions(["x"], 1)).toThrow("encodeQuestions: maxLength 1, needs at least 2.");
  });
});

describe("decode", () => {
  test("drops special pieces, joins continuations, cleans up punctuation", () => {
    const { ids } = tokenizer.encodeAnswers(["The patient's cardiomegaly, isn't it?"]);
    expect(tokenizer.decode([...ids, 0, 0])).toBe("the patient's cardiomegaly, isn't it?");
    expect(tokenizer.decode([30522, 102, 0])).toBe("");
    expect(tokenizer.decode([])).toBe("");
  });

  test("an id outside the vocabulary is an error", () => {
    expect(() => tokenizer.decode([101, 30524])).toThrow("decode: id 30524 at position 1, the vocabulary has 30524.");
    expect(() => tokenizer.decode([-1])).toThrow("decode: id -1");
  });

  test("every answer of VQA-RAD comes back the same, case and blanks around punctuation aside", async () => {
    const { train, test } = await loadVqaRad("data/vqa-rad");
    for (const { answer } of [...train, ...test]) {
      const decoded = tokenizer.decode(tokenizer.encodeAnswers([answer]).ids);
      expect(normaliseAnswer(decoded)).toBe(normaliseAnswer(answer));
    }
  });
});

describe("a vocabulary of its own", () => {
  test("reduced to the training texts, they split into the same pieces", async () => {
    const { train, test } = await loadVqaRad("data/vqa-rad");
    const texts = train.flatMap(({ question, answer }) => [question, answer]);
    const reduced = reduceVocabulary(pieces, new Set(texts.flatMap((text) => tokenizer.pieces(text))));
    const small = new MissTokenizer(parseVocabulary(formatVocabulary(reduced), "vocab.txt"));

    expect(reduced.length).toBeLessThan(2000);
    expect([small.pad, small.dec, small.enc]).toEqual([0, reduced.length, reduced.length + 1]);
    for (const text of texts) expect(small.pieces(text)).toEqual(tokenizer.pieces(text));
    for (const { question } of test) expect(small.pieces(question)).not.toContain("[UNK]");
  });

  test("does not depend on the order of the texts", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(pieces.slice(2000, 2050)), (used) => {
        const sorted = [...used].sort();
        expect(reduceVocabulary(pieces, used)).toEqual(reduceVocabulary(pieces, sorted));
      }),
      { numRuns: 20 },
    );
  });

  test("a list that holds [DEC] and [ENC] keeps their places", () => {
    const own = new MissTokenizer(["[PAD]", "[DEC]", "[ENC]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "yes"]);
    expect([own.dec, own.enc, own.size]).toEqual([1, 2, 8]);
    expect([...own.encodeAnswers(["yes no"]).ids]).toEqual([1, 7, 3, 5]);
  });

  test.each([
    ["[PAD]\n\n[UNK]\n", "v.txt:2: an empty line"],
    ["[PAD]\n[UNK]\n[CLS]\n[UNK]\n", 'v.txt:4: piece "[UNK]" is already on line 2'],
    ["[PAD]\n[UNK]\n[CLS]\n", "v.txt: no [SEP], [MASK]"],
    ["[UNK]\n[PAD]\n[CLS]\n[SEP]\n[MASK]\n", "v.txt:1:"],
    ["", "v.txt: no [PAD]"],
  ])("malformed: %j", (text, message) => {
    expect(() => parseVocabulary(text, "v.txt")).toThrow(message);
  });
});
