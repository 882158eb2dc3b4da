import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { parseRouting, tokenKinds } from "../../models/index.js";
import { goldenMedMoe, imageFile, speakingModel } from "../med-moe/support.js";
import { consilium, consiliumStoppedAt, temporaryFolder } from "./support.js";

const TIMEOUT = 180_000;
const folder = temporaryFolder();
const model = join(folder, "stablelm");
const images = dirname(imageFile("any"));
const IMAGES = ["synpic100132.jpg", "synpic100176.jpg", "synpic12210.jpg", "synpic100228.jpg"];

beforeAll(async () => {
  await speakingModel("stablelm", model);
}, TIMEOUT);

const question = (id: string | number, image: string | string[] | undefined, text: string, answer = "yes") => ({
  id,
  ...(image !== undefined && { image }),
  conversations: [
    { from: "human", value: text },
    { from: "gpt", value: answer },
  ],
  answer_type: /^(yes|no)$/.test(answer) ? "CLOSED" : "OPEN",
});
const QUESTIONS = [
  question(7, IMAGES[0], "<image>\nWhich organ is shown?", "liver"),
  question("b", IMAGES[1], "Is there a fracture?\n<image>", "no"),
  question(3, undefined, "What is a lung?", "an organ"),
  question(12, [IMAGES[2], IMAGES[0]], "<image><image>What do these show?", "kidney"),
  question("x-1", IMAGES[3], "<image>\nIs it normal?", "yes"),
];
let files = 0;
function questionFile(rows: readonly object[] = QUESTIONS): string {
  const file = join(folder, `questions-${files++}.json`);
  writeFileSync(file, JSON.stringify(rows));
  return file;
}

const asked = (answers: string, ...more: string[]) => [
  "eval",
  "med-moe",
  ...["--model-path", model, "--question-file", questionFile(), "--image-folder", images],
  ...["--answers-file", answers, "--max-new-tokens", "6", ...more],
];
const HERE = ["--device", "reference"];
const lines = (file: string) =>
  readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
const whole = join(folder, "whole.jsonl");
const routing = join(folder, "whole-routing.jsonl");

describe("eval med-moe", () => {
  beforeAll(async () => {
    const { code, stderr } = await consilium(asked(whole, ...HERE, "--gating", routing));
    expect(code, stderr).toBe(0);
  }, TIMEOUT);

  test("a line for each question, with the published keys", () => {
    const answers = lines(whole);
    expect(answers.map(({ question_id }) => question_id)).toEqual([7, "b", 3, 12, "x-1"]);
    for (const answer of answers) {
      expect(Object.keys(answer)).toEqual(["question_id", "prompt", "text", "answer_id", "model_id", "metadata"]);
      expect(answer).toMatchObject({ model_id: "stablelm", metadata: {} });
      expect(answer.answer_id).toHaveLength(22);
      expect(answer.text).toBe(answer.text.trim());
    }
    expect(answers.map(({ prompt }) => prompt)).toEqual([
      "<image>\nWhich organ is shown?",
      "<image>\nIs there a fracture?",
      "What is a lung?",
      "<image>\n<image>\nWhat do these show?",
      "<image>\nIs it normal?",
    ]);
    expect(new Set(answers.map(({ text }) => text)).size).toBeGreaterThan(1);
  });

  test("--gating: what each layer chose for each token", () => {
    const records = parseRouting(readFileSync(routing, "utf8"), routing);
    expect(records.map(({ question_id }) => question_id)).toEqual(["7", "b", "3", "12", "x-1"]);
    for (const record of records) {
      const { layers, experts, top_k, choices, weights, prompt } = record;
      expect({ layers, experts, top_k }).toEqual({ layers: [0, 2], experts: [4, 4], top_k: 1 });
      // The answer's last token is never read.
      expect(choices[0].length).toBeGreaterThanOrEqual(prompt);
      expect(choices[0].length).toBeLessThan(prompt + 6);
      expect(weights.flat().every((weight) => weight >= 0.25 && weight <= 1)).toBe(true);
      // The router's bias keeps everyone from this expert in layer 2.
      expect(choices[1]).not.toContain(1);
    }
    const kinds = tokenKinds(records[3]);
    expect(kinds.filter((kind) => kind === "image")).toHaveLength(18);
    const [[first, count], [second]] = records[3].images;
    // Two placeholders with a line end between them.
    expect([count, second]).toEqual([9, first + 10]);
    expect(tokenKinds(records[2])).not.toContain("image");
  });

  test("scores where the answers are known, the same as those of `score`", async () => {
    const args = ["score", "--gt", questionFile(), "--pred", whole, "--json", "-"];
    const scored = JSON.parse((await consilium(args)).stdout);
    const again = await consilium(asked(whole, ...HERE, "--gating", routing, "--json", "-"));
    expect(again.code, again.stderr).toBe(0);
    const document = JSON.parse(again.stdout);
    expect(document).toMatchObject({ version: 1, command: "eval med-moe", answered: { total: 5, resumed: 5 } });
    const { questions, published, closed, plain } = scored;
    expect(document.scores).toEqual({ questions, published, closed, plain });
    expect(questions).toEqual({ total: 5, open: 3, closed: 2 });
  });

  test("two processes share the questions, and write the same file", async () => {
    const answers = join(folder, "two.jsonl");
    const gating = join(folder, "two-routing.jsonl");
    const shared = asked(answers, "--devices", "reference,reference", "--gating", gating, "--json", "-");
    const { code, stdout, stderr } = await consilium(shared);
    expect(code, stderr).toBe(0);
    expect(readFileSync(answers, "utf8")).toBe(readFileSync(whole, "utf8"));
    expect(readFileSync(gating, "utf8")).toBe(readFileSync(routing, "utf8"));
    const { devices } = JSON.parse(stdout);
    expect(devices).toHaveLength(2);
    expect(devices[0].answered + devices[1].answered).toBe(5);
    for (const { answered } of devices) expect(answered).toBeGreaterThan(0);
  });

  test("chunks follow each other, and are scored together", async () => {
    const parts = [0, 1].map((i) => join(folder, `part-${i}.jsonl`));
    for (const [i, file] of parts.entries()) {
      const chunk = ["--num-chunks", "2", "--chunk-idx", String(i)];
      const { code, stdout, stderr } = await consilium(asked(file, ...HERE, ...chunk));
      expect(code, stderr).toBe(0);
      expect(stdout).toContain("Score all parts together: npx consilium score --gt ");
    }
    expect(parts.map((file) => lines(file).length)).toEqual([3, 2]);
    expect(parts.map((file) => readFileSync(file, "utf8")).join("")).toBe(readFileSync(whole, "utf8"));
  });

  test("copied weights give the same answers", async () => {
    const answers = join(folder, "copied.jsonl");
    const { code, stderr } = await consilium(asked(answers, ...HERE, "--no-mmap"));
    expect(code, stderr).toBe(0);
    expect(readFileSync(answers, "utf8")).toBe(readFileSync(whole, "utf8"));
    // How weights are held is no other evaluation.
    const again = await consilium(asked(answers, ...HERE));
    expect(again.stderr, again.stderr).toContain("5 of 5 questions have answers already");
  });

  test("a question file of LLaVA-Med: the same answer, and no scores", async () => {
    const file = join(folder, "llava.jsonl");
    const { id, image } = QUESTIONS[0] as { id: number; image: string };
    writeFileSync(file, `${JSON.stringify({ question_id: id, image, text: "Which organ is shown?" })}\n`);
    const answers = join(folder, "llava-answers.jsonl");
    const { code, stdout, stderr } = await consilium(asked(answers, ...HERE, "--question-file", file));
    expect(code, stderr).toBe(0);
    expect(lines(answers)).toEqual(lines(whole).slice(0, 1));
    expect(stdout).toContain('No scores: 1 of 1 questions lack an answer or "answer_type".');
  });

  test("answers depend on image, template and the letters asked for", async () => {
    const others = { "--conv-mode": "simple", "--image-folder": swapped() };
    for (const [flag, value] of Object.entries(others)) {
      const answers = join(folder, `other${flag}.jsonl`);
      const one = ["--question-file", questionFile(QUESTIONS.slice(0, 1))];
      const { code, stderr } = await consilium(asked(answers, ...HERE, ...one, flag, value));
      expect(code, stderr).toBe(0);
      expect(lines(answers)[0].text, flag).not.toEqual(lines(whole)[0].text);
    }
    const answers = join(folder, "letters.jsonl");
    const { code, stderr } = await consilium(asked(answers, ...HERE, "--conv-mode", "phi2", "--single-pred-prompt"));
    expect(code, stderr).toBe(0);
    expect(lines(answers)[2].prompt).toBe(
      "What is a lung?\nAnswer with the option's letter from the given choices directly.",
    );
  });
});

/** The images under each other's names. */
function swapped(): string {
  const other = join(folder, "swapped");
  mkdirSync(other);
  for (const [i, name] of IMAGES.entries()) symlinkSync(imageFile(IMAGES.at(i - 1) as string), join(other, name));
  return other;
}

/** Two of the images are none. */
function noImages(): string {
  const other = join(folder, "no-images");
  mkdirSync(other);
  for (const name of IMAGES.slice(2)) copyFileSync(imageFile(name), join(other, name));
  writeFileSync(join(other, IMAGES[0]), "no image");
  writeFileSync(join(other, IMAGES[1]), "");
  return other;
}

describe("it may end at any time, and goes on where it was", () => {
  const same = (file: string) => expect(readFileSync(file, "utf8")).toBe(readFileSync(whole, "utf8"));

  test("killed after the first answer", async () => {
    const answers = join(folder, "killed.jsonl");
    const killed = await consiliumStoppedAt(/stablelm: 1\/5 questions/, "SIGKILL", asked(answers, ...HERE));
    expect(killed.signal, killed.stderr).toBe("SIGKILL");
    expect(lines(answers)).toEqual(lines(whole).slice(0, 1));
    const { code, stderr } = await consilium(asked(answers, ...HERE));
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("1 of 5 questions have answers already");
    same(answers);
  });

  test.each([HERE, ["--devices", "reference,reference"]])("Ctrl-C, %s %s", { timeout: TIMEOUT }, async (...devices) => {
    const answers = join(folder, `stopped${devices[0]}.jsonl`);
    const stopped = await consiliumStoppedAt(/stablelm: 1\/5 questions/, "SIGINT", asked(answers, ...devices));
    expect(stopped.code, stopped.stderr).toBe(130);
    expect(stopped.stderr).toContain(`the answers so far are in ${answers}, and the same command goes on from there.`);
    expect(lines(answers).length).toBeGreaterThan(0);
    const { code, stderr } = await consilium(asked(answers, ...devices));
    expect(code, stderr).toBe(0);
    same(answers);
  });

  test("a last line that was cut short is answered anew", async () => {
    const answers = join(folder, "cut.jsonl");
    const text = readFileSync(whole, "utf8");
    const third = text.split("\n", 3).join("\n").length;
    for (const end of [third, third - 5]) {
      writeFileSync(answers, text.slice(0, end));
      copyFileSync(`${whole}.settings.json`, `${answers}.settings.json`);
      const { code, stderr } = await consilium(asked(answers, ...HERE, "--gating", join(folder, `cut-${end}.jsonl`)));
      expect(code, stderr).toBe(0);
      same(answers);
    }
  });

  test.each([HERE, ["--devices", "reference,reference"]])(
    "an image that is cut short, %s %s",
    { timeout: TIMEOUT },
    async (...devices) => {
      const bad = join(folder, `bad${devices[0]}`);
      mkdirSync(bad);
      for (const name of IMAGES) copyFileSync(imageFile(name), join(bad, name));
      // Its header is whole: what is behind it shows when it is read.
      writeFileSync(join(bad, IMAGES[3]), readFileSync(imageFile(IMAGES[3])).subarray(0, 3000));
      const answers = join(folder, `bad${devices[0]}.jsonl`);
      const args = asked(answers, ...devices, "--image-folder", bad);
      const failed = await consilium(args);
      expect(failed.code).toBe(1);
      expect(failed.stderr).toMatch(/question x-1: .*synpic100228\.jpg/);
      expect(failed.stderr).toMatch(/Answered so far: [34]; the answers so far are in/);
      copyFileSync(imageFile(IMAGES[3]), join(bad, IMAGES[3]));
      const { code, stderr } = await consilium(args);
      expect(code, stderr).toBe(0);
      same(answers);
    },
  );

  test("under other settings or parts it does not; --restart answers anew", async () => {
    const answers = join(folder, "settings.jsonl");
    expect((await consilium(asked(answers, ...HERE))).code).toBe(0);
    const other = [...HERE, "--conv-mode", "phi", "--max-new-tokens", "3"];
    const refused = await consilium(asked(answers, ...other));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      'its answers were given otherwise: template was "stablelm", is "phi"; maxNewTokens was 6, is 3. Name another --answers-file',
    );
    same(answers);
    const { code, stderr } = await consilium(asked(answers, ...other, "--restart"));
    expect(code, stderr).toBe(0);
    expect(lines(answers)).toHaveLength(5);
    const [part, of] = [join(folder, "part-router.pth"), join(folder, "parts.jsonl")];
    copyFileSync(join(goldenMedMoe, "stablelm/router.pth"), part);
    const routed = (router: string) => consilium(asked(of, ...HERE, "--router", router));
    expect((await routed(part)).code).toBe(0);
    const settings = JSON.parse(readFileSync(`${of}.settings.json`, "utf8"));
    expect(settings.router).toBe(part);
    expect(settings.weights.router.bytes).toBe(statSync(part).size);
    // The same file by another path is the same; another training of it is not.
    const again = await routed(relative(process.cwd(), part));
    expect(again.code, again.stderr).toBe(0);
    expect(again.stderr).toContain("5 of 5 questions have answers already");
    utimesSync(part, new Date(), new Date(Date.now() + 5000));
    expect((await routed(part)).stderr).toContain("its answers were given otherwise: weights was ");
    writeFileSync(`${folder}/foreign.jsonl`, '{"question_id": 1, "text": "x"}\n');
    const foreign = await consilium(asked(join(folder, "foreign.jsonl"), ...HERE));
    expect([foreign.code, foreign.stderr]).toEqual([1, expect.stringContaining("says how they were given")]);
  });
});

describe("one clear error before work starts", () => {
  const long = question(1, undefined, "why ".repeat(600));
  test.concurrent.each<[string, string[], string[], number?]>([
    [
      "two questions with one id",
      ["--question-file", questionFile([QUESTIONS[0], QUESTIONS[0]])],
      ["the id of an earlier question (item 2)"],
    ],
    [
      "a question without an id",
      ["--question-file", questionFile([{ ...QUESTIONS[0], id: undefined }])],
      ['there is no "id" (item 1)'],
    ],
    [
      "images that are none",
      ["--image-folder", noImages()],
      [
        "2 of 4 images cannot be read: ",
        `${IMAGES[0]} (item 1): not a readable image`,
        `${IMAGES[1]} (item 2): the file is empty`,
      ],
    ],
    ["images that are not there", ["--image-folder", folder], ["4 of 4 images are missing: ", "(item 1)"]],
    [
      "an unknown template",
      ["--conv-mode", "vicuna"],
      ['There is no template "vicuna". Templates are stablelm, phi, plain, simple.'],
    ],
    [
      "a chunk that is not",
      ["--num-chunks", "2", "--chunk-idx", "2"],
      ["There is no chunk 2 of 2: they are counted from 0 to 1."],
    ],
    [
      "a question that fills the context",
      ["--question-file", questionFile([long])],
      ["a question that leaves no position for an answer (item 1). The model has 512 positions"],
    ],
    ["another folder", ["--model-path", folder], ["config.json", "A Med-MoE model is a folder"]],
    ["a folder for the answers", ["--answers-file", folder], ["it is a folder. Name the file to write"]],
    [
      "a router of another width",
      ["--router", join(goldenMedMoe, "phi/router.pth")],
      ["fc1.weight is [4, 40]; the mixtures of this model need [4, 32]"],
    ],
    ["two ways to say where", ["--devices", "reference"], ["--device and --devices exclude each other"], 2],
    [
      "a second adapter",
      ["--devices", "webgpu:0,webgpu:1"],
      ['"webgpu:1" is none: WebGPU lists no adapters, and gives one, named without a number.'],
      2,
    ],
    ["a second cpu", ["--devices", "cpu:1"], ['"cpu:1" is none: there is one cpu, named without a number.'], 2],
    [
      "an unknown device",
      ["--devices", "cpu,tpu"],
      ['There is no device "tpu"; it is one of cpu, webgpu, cuda, reference'],
      2,
    ],
  ])("%s", async (name, flags, named, exit = 1) => {
    const answers = join(folder, `${name.replaceAll(" ", "-")}.jsonl`);
    const { code, stdout, stderr } = await consilium(asked(answers, ...HERE, ...flags));
    expect({ code, stdout }, stderr).toEqual({ code: exit, stdout: "" });
    for (const text of named) expect(stderr).toContain(text);
    expect(existsSync(answers) && readFileSync(answers, "utf8") !== "").toBe(false);
  });

  test("a process that cannot open says why, once", async () => {
    const answers = join(folder, "worker.jsonl");
    const { code, stderr } = await consilium(
      asked(answers, "--devices", "reference,reference", "--question-file", questionFile([long])),
    );
    expect(code).toBe(1);
    expect(stderr.match(/leaves no position for an answer/g)).toHaveLength(1);
  });
});
