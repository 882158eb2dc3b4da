import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatConversations } from "../../models/data/conversation-form.js";
import {
  asConversation,
  loadConversations,
  loadQuestionFiles,
  parseConversations,
} from "../../models/data/conversations.js";
import { loadOrgan, loadVqaRad } from "../../models/data/vqa-rad.js";

const turns = (...values: string[]) => values.map((value, i) => ({ from: i % 2 ? "gpt" : "human", value }));
const item = (more: object = {}) => ({
  id: 1,
  image: "a.jpg",
  conversations: turns("<image>\nWhere?", "Left."),
  ...more,
});
const parsed = (...items: unknown[]) => parseConversations(JSON.stringify(items), "train.json");
const texts = (...items: unknown[]) => parsed(...items).problems.map(({ text }) => text);

describe("what is read", () => {
  test("a JSON array: one image, several, none", () => {
    const { conversations, problems } = parsed(
      item({ answer_type: "close", modality: "MRI" }),
      item({ image: ["a.jpg", "/b.jpg"], conversations: turns("Compare <image> and <image>.", "Same.") }),
      { conversations: turns("What is edema?", "Swelling.", "Where?", "Anywhere.") },
    );
    expect(problems).toEqual([]);
    expect(conversations).toEqual([
      {
        id: "1",
        images: ["a.jpg"],
        messages: [
          { role: "user", text: "<image>\nWhere?" },
          { role: "assistant", text: "Left." },
        ],
        answerType: "CLOSED",
        modality: "MRI",
        place: "item 1",
      },
      expect.objectContaining({ images: ["a.jpg", "/b.jpg"], place: "item 2" }),
      expect.objectContaining({ images: [], place: "item 3" }),
    ]);
    expect(conversations[2].messages).toHaveLength(4);
    expect(conversations[2]).not.toHaveProperty("id");
  });

  test("JSON lines, with the key as LLaVA-Med misspells it, answers as numbers, images in a folder", () => {
    const { conversations: _, ...rest } = item();
    const line = { ...rest, conversatons: [turns("<image>?")[0], { from: "gpt", value: 3 }] };
    const text = `\n${JSON.stringify(line)}\n\n${JSON.stringify(item({ id: "x" }))}\n`;
    const { conversations, problems } = parseConversations(text, "deep/train.jsonl");
    expect(problems).toEqual([]);
    expect(conversations.map(({ id, place, images }) => [id, place, ...images])).toEqual([
      ["1", "line 2", "deep/a.jpg"],
      ["x", "line 4", "deep/a.jpg"],
    ]);
    expect(conversations[0].messages[1].text).toBe("3");
  });

  test("a question as the question files of LLaVA and LLaVA-Med have it: to ask, not to learn from", async () => {
    const text = '{"question_id": 7, "image": "a.jpg", "text": "Where?", "domain": {"ct": true}}\n';
    const { conversations } = parseConversations(text, "q.jsonl", () => {});
    expect(conversations).toEqual([
      { id: "7", images: ["a.jpg"], messages: [{ role: "user", text: "Where?" }], place: "line 1" },
    ]);
    expect(parseConversations(text, "q.jsonl").problems.map((problem) => problem.text)).toEqual([
      "it ends without an answer (line 1)",
      "1 image for no <image> in its text (line 1)",
    ]);
  });

  test.each([
    ["OPEN", "OPEN"],
    ["open", "OPEN"],
    ["CLOSED ", "CLOSED"],
    ["close", "CLOSED"],
    ["", undefined],
  ])("answer_type %j: %j", (answer_type, expected) =>
    expect(parsed(item({ answer_type })).conversations[0].answerType).toBe(expected),
  );
});

describe("what is wrong", () => {
  test("each fault once, with all its items; sound items are kept", () => {
    const { conversations, problems } = parsed(
      item(),
      "text",
      item({ conversations: [] }),
      item({ image: [] }),
      item({ image: [] }),
      item({ image: 7 }),
      item({ image: "https://example.org/a.jpg" }),
      item({ image: ["a.jpg", "b.jpg"] }),
      item({ conversations: [{ from: "system", value: "x" }] }),
      item({ conversations: turns("x", "A", "<image>?", "B").slice(1) }),
      item({ conversations: turns("<image>?") }),
      item({ conversations: turns("<image>?", " ") }),
      item({ conversations: turns("?", "<image>") }),
      item({ conversations: turns("<video><image>", "x") }),
      item({ answer_type: "maybe" }),
    );
    expect(conversations).toHaveLength(1);
    expect(problems.map(({ kind, text }) => `${kind}: ${text}`)).toEqual([
      "bad value: it is no object (item 2)",
      'bad value: it has neither "conversations" nor, as a question, "text" (item 3)',
      "conversation: no images for 1 <image> in its text (items 4 and 5)",
      'bad value: "image" is neither a file nor a list of files (item 6)',
      'bad value: "image" is a URL (item 7)',
      "conversation: 2 images for 1 <image> in its text (item 8)",
      "bad value: a turn has another form (item 9)",
      "conversation: its turns do not alternate, the human's first (item 10)",
      "conversation: it ends without an answer (item 11)",
      "empty value: a turn is empty (item 12)",
      "conversation: an answer has a place for an image (item 13)",
      "conversation: it asks about a video (item 14)",
      'answer type: "answer_type" is "maybe" (item 15)',
    ]);
  });

  test("a line that is no JSON stands beside the others", () => {
    const { conversations, problems } = parseConversations(`${JSON.stringify(item())}\n{"id": }\n`, "t.jsonl");
    expect(conversations).toHaveLength(1);
    expect(problems).toMatchObject([{ kind: "bad value", places: ["line 2"] }]);
  });

  test("all of one kind are not listed one by one", () =>
    expect(texts(item({ image: 1 }), item({ image: 2 }))).toEqual([
      '"image" is neither a file nor a list of files in all 2 rows',
    ]));

  test.each([
    ["[]", "t.json: it is empty."],
    ["7", "t.json: it is neither a JSON array nor JSON lines."],
    ["[{]", "t.json:1:3: "],
    ["", "t.json:1:1: "],
  ])("a file of %j", (text, message) => expect(() => parseConversations(text, "t.json")).toThrow(message));
});

describe("files", () => {
  let folder: string;
  const write = async (name: string, ...items: unknown[]) => {
    const file = join(folder, name);
    await writeFile(file, JSON.stringify(items));
    return file;
  };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "consilium-conversations-"));
    await copyFile("data/vqa-rad/images/synpic100132.jpg", join(folder, "a.jpg"));
    await writeFile(join(folder, "text.jpg"), "no image");
    await writeFile(join(folder, "empty.jpg"), "");
    await mkdir(join(folder, "folder.jpg"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test("several, one after the other; every problem of all in one error, missing images too", async () => {
    const one = await write("one.json", item(), item({ image: "gone.jpg" }));
    const two = await write("two.json", item({ image: 1 }), item());
    expect(await loadConversations([await write("three.json", item()), await write("four.json", item())])).toHaveLength(
      2,
    );
    const error: Error = await loadConversations([one, two]).then(
      () => new Error("nothing was thrown"),
      (error) => error,
    );
    expect(error.message).toContain(`${one}, ${two}: 2 problems. Correct:`);
    expect(error.message).toContain(`neither a file nor a list of files (${two}, item 1)`);
    expect(error.message).toContain(`1 of 2 images are missing: ${folder}/gone.jpg (${one}, item 2)`);
    expect(await loadConversations([one], { requireImages: false })).toHaveLength(2);
  });

  test("images that are none by their headers, all at once", async () => {
    const names = ["a", "text", "empty", "folder", "text"];
    const file = await write("broken.json", ...names.map((name) => item({ image: `${name}.jpg` })));
    const error: Error = await loadConversations([file]).then(
      () => new Error("nothing was thrown"),
      (error) => error,
    );
    expect(error.message).toContain("broken.json: 3 of 4 images cannot be read: ");
    expect(error.message).toContain(
      `${folder}/empty.jpg (item 3): the file is empty, ${folder}/folder.jpg (item 4): not a readable image (it is a folder without DICOM files) and `,
    );
    expect(error.message).toMatch(
      /text\.jpg \(item 2\): not a readable image \(.*\)\. Copy them again, or take these rows out/,
    );
  });

  test("images in another folder", async () => {
    const file = await write("elsewhere.json", item());
    await expect(loadConversations([file], { imageFolder: "/nowhere/" })).rejects.toThrow("/nowhere/a.jpg (item 1)");
  });

  test("no such file", () =>
    expect(loadConversations([join(folder, "none.json")])).rejects.toThrow(
      /none\.json: .*no such file.*check the path/s,
    ));

  test("questions need ids, each its own; where their images stand in the text does not matter", async () => {
    const sound = await write("q.json", item({ id: 1, conversations: turns("Where?") }), item({ id: "2" }));
    expect((await loadQuestionFiles([sound])).map(({ id }) => id)).toEqual(["1", "2"]);
    const bad = await write("bad.json", item({ id: 1 }), item({ id: "1" }), item({ id: undefined }), item({ id: 1 }));
    await expect(loadQuestionFiles([bad])).rejects.toThrow(
      /the id of an earlier question \(items 2 and 4\)\. .*there is no "id" \(item 3\)\. Give each question its own/s,
    );
    await expect(loadQuestionFiles([sound, sound])).rejects.toThrow(/q\.json, item 1 and .*q\.json, item 2/);
  });
});

describe("from our data sets", () => {
  test("VQA-RAD there and back", async () => {
    const { train } = await loadVqaRad("data/vqa-rad");
    const conversations = train.map(asConversation);
    const text = formatConversations(conversations, "data/vqa-rad/images/");
    const again = parseConversations(text, "train.json", undefined, { imageFolder: "data/vqa-rad/images" });
    expect(again).toEqual({ conversations, problems: [] });
    expect(JSON.parse(text)[0]).toEqual({
      id: "1",
      image: "synpic54610.jpg",
      conversations: turns("<image>\nAre regions of the brain infarcted?", "Yes"),
      answer_type: "CLOSED",
      modality: "HEAD",
    });
  });

  test("a router learns the part of the body", async () => {
    const { train } = await loadOrgan("data/vqa-rad");
    expect(new Set(train.map((record) => asConversation(record).modality))).toEqual(new Set(["HEAD", "CHEST", "ABD"]));
  });
});
