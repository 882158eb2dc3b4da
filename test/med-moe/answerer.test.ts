import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/index.js";
import { type Conversation, MedMoe, templateNamed } from "../../models/index.js";
import { rowCount } from "../../models/med-moe/asking/prompt-rows.js";
import { imageFile, speakingModel } from "./support.js";

const scratch = mkdtempSync(join(tmpdir(), "consilium-answerer-"));
let device: Device;
let model: MedMoe;
beforeAll(async () => {
  device = await openDevice("reference");
  model = await MedMoe.load(await speakingModel("phi", join(scratch, "phi")), { device });
});
afterAll(() => {
  model.dispose();
  device.close();
  rmSync(scratch, { recursive: true });
});

const question = (id: string, image: string | null, text: string, answerType: "OPEN" | "CLOSED"): Conversation => ({
  id,
  images: image === null ? [] : [imageFile(image)],
  messages: [{ role: "user", text: image === null ? text : `<image>\n${text}` }],
  answerType,
  place: `item ${id}`,
});
const QUESTIONS = [
  question("a", "synpic100132.jpg", "Which organ is shown?", "OPEN"),
  question("b", "synpic100176.jpg", "Is there a fracture?", "CLOSED"),
  question("c", null, "What is a lung?", "OPEN"),
  question("d", "synpic100132.jpg", "Is it normal?", "CLOSED"),
];

describe("many questions side by side", () => {
  test.each(["phi", "plain", "simple"] as const)(
    "%s: what each is answered by itself, in their order",
    async (name) => {
      const answerer = model.answerer({ template: templateNamed(name), maxNewTokens: 6 });
      const seen: [number, number][] = [];
      const onProgress = (done: number, total: number) => seen.push([done, total]);
      const together = await answerer.answerAll(QUESTIONS, { batch: 2, onProgress });
      const alone = [];
      for (const one of QUESTIONS) alone.push(await answerer.answer(one));
      expect(together).toEqual(alone);
      expect(together.map(({ id }) => id)).toEqual(["a", "b", "c", "d"]);
      expect(seen).toEqual([
        [2, 4],
        [4, 4],
      ]);
    },
  );

  test("the signal stops them; a batch of none is refused", async () => {
    const answerer = model.answerer({ maxNewTokens: 6 });
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(answerer.answerAll(QUESTIONS, { signal })).rejects.toThrow("enough");
    await expect(answerer.answerAll(QUESTIONS, { batch: 0 })).rejects.toThrow(
      "`batch` is 0; a whole number of 1 or more",
    );
  });

  test("ranking: room for the longest answer is looked at before; the signal stops at the images", async () => {
    const answerer = model.answerer();
    const { positions } = model.network.model.config;
    const rows = (text: string) => rowCount(answerer.ids(question("e", null, text, "OPEN")), model.network.imageRows);
    let text = "What is a lung?";
    while (rows(`${text} why`) < positions - 2) text += " why";
    const full = question("e", null, text, "OPEN");
    expect(answerer.problems([full])).toEqual([]);
    expect(answerer.problems([full], ["liver, or the kidney on the left"])).toMatchObject([
      { text: "a question that leaves no room for the longest of its answers (item e)" },
    ]);
    expect(answerer.problems([QUESTIONS[0]], ["liver", "lung"])).toEqual([]);
    const signal = AbortSignal.abort(new Error("enough"));
    const unreadable = { ...QUESTIONS[0], images: ["nowhere.jpg"] };
    await expect(answerer.rank(unreadable, ["liver", "lung"], signal)).rejects.toThrow("enough");
  });

  test("plain: what is asked begins the caption", () => {
    const answerer = model.answerer({ template: templateNamed("plain") });
    expect(answerer.ids(QUESTIONS[0])).toEqual([-200, ...answerer.tokenizer.encode("Which organ is shown?")]);
  });
});
