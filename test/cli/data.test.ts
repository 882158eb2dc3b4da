import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { zipSync } from "fflate";
import { describe, expect, test } from "vitest";
import { FakeHub } from "../hub/serve.js";
import { tryOpen } from "../support/devices.js";
import { consilium, consiliumProcess, temporaryFolder, vqaRad } from "./support.js";

const { device } = await tryOpen("cpu", {});
device?.close();

const folder = temporaryFolder();
const run = (out: string) => join(folder, out);
const example = fileURLToPath(new URL("../../examples/own-data/rows.csv", import.meta.url));
const columns = ["--columns", "image=file,answer=label,group=patient", "--image-folder", join(vqaRad, "images")];

describe("data check", () => {
  test("a sound table: what it is, and exit 0", async () => {
    const { code, stdout, stderr } = await consilium(["data", "check", example, ...columns]);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain("48 questions (unsplit 48), 16 images, 8 groups");
    expect(stdout).toMatch(/nothing is wrong\n$/);
    expect(stderr).toContain("16/16 images");
  });

  test("problems: each once with its lines and advice, all places in JSON, exit 1", async () => {
    const file = run("bad.csv");
    const [head] = readFileSync(example, "utf8").split("\n");
    writeFileSync(file, `${head}\nsynpic17738.jpg,,yes,p1,chest\nnone.jpg,Is it?,no,p1,chest\nx\n`);
    const { code, stdout, stderr } = await consilium(["data", "check", file, ...columns, "--json", "-"]);
    expect(code).toBe(1);
    const document = JSON.parse(stdout);
    expect(document).toMatchObject({ version: 1, command: "data check", passed: false, data: { set: "table", file } });
    expect(document.problems.map(({ kind, count }: { kind: string; count: number }) => [kind, count])).toEqual([
      ["ragged row", 1],
      ["empty value", 1],
      ["image missing", 1],
    ]);
    expect(document.problems[1].places).toEqual(["line 2"]);
    expect(stderr).toContain('empty value: "question" is empty (line 2)\n  Fill it, or take these rows out.');
    expect(stderr).toContain("kinds of problems: 3");
  });

  test("a folder of an unknown layout is wrong usage", async () => {
    mkdirSync(run("unknown"));
    const { code, stderr } = await consilium(["data", "check", run("unknown")]);
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining("trainset.json (VQA-RAD)") });
  });
});

describe("instruction data", () => {
  const instructions = run("instructions.json");
  const form = ["--form", "instruction", "--image-folder", vqaRad];
  const testFile = run("testset.json");

  test("made of a published set's training questions, looked at, and refused beside the questions it was made of", async () => {
    const made = await consilium([
      "data",
      "instruct",
      vqaRad,
      "--set",
      "organ-smoke",
      "--out",
      instructions,
      "--json",
      "-",
    ]);
    expect(made.code, made.stderr).toBe(0);
    expect(JSON.parse(made.stdout)).toMatchObject({ questions: 60, imageFolder: vqaRad });
    expect(made.stderr).toContain(
      `Train on them with: --data ${instructions} --form instruction --image-folder ${vqaRad}\n`,
    );
    const checked = await consilium(["data", "check", instructions, ...form, "--no-decode", "--json", "-"]);
    expect(JSON.parse(checked.stdout).summary.rows).toEqual({ unsplit: 60 });

    const rows = JSON.parse(readFileSync(instructions, "utf8")) as { img_name: string; qid: string; answer: string }[];
    const asked = rows.slice(0, 5).map(({ img_name, qid, answer }) => ({
      ...{ image_name: img_name, qid, answer, question: "Which part of the body does this image show?" },
    }));
    writeFileSync(testFile, JSON.stringify(asked));
    const tested = ["--test-data", testFile, "--test-form", "rad", "--out", run("instructed"), "--json", "-"];
    const args = [
      "train",
      "miss",
      "--data",
      instructions,
      ...form,
      ...tested,
      "--vocabulary",
      "reduced",
      "--epochs",
      "1",
    ];
    const more = [
      "--batch",
      "30",
      "--device",
      "cpu",
      "--augment",
      "word-delete,gaussian-noise",
      "--scaling",
      "ordinary",
    ];
    const refused = await consilium([...args, ...more]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/instructions\.json: 5 evaluation rows overlap with training.*\(--allow-leak\)/s);
    if (!device) return;
    const { code, stdout, stderr } = await consilium([...args, ...more, "--allow-leak"]);
    expect(code, stderr).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({
      ...{ steps: 2, leak: { questions: 5, totals: { test: 5 } } },
      config: { augment: [{ name: "word-delete", p: 0.2 }, { name: "gaussian-noise" }], data: { form: "instruction" } },
    });
    expect(stderr).toMatch(/LEAK \(allowed by --allow-leak\): 5 of 5 test questions share with training/);
  }, 120_000);
});

describe("data fetch", () => {
  test("shows the licence, and asks for it to be accepted before anything is fetched", async () => {
    const { code, stderr } = await consilium(["data", "fetch", "slake", "--out", run("slake")]);
    expect(code).toBe(2);
    expect(stderr).toContain("licence: CC BY 4.0, https://creativecommons.org/licenses/by/4.0/");
    expect(stderr).toContain("fetch the data with --accept-licence");
    expect(existsSync(run("slake"))).toBe(false);
  });

  test("from a hub, unpacked, with the hashes of what came", async () => {
    const hub = await FakeHub.open("BoKelvin/SLAKE");
    const image = readFileSync(join(vqaRad, "images/synpic100132.jpg"));
    const row = (qid: number) => ({ img_name: "xmlab1/source.jpg", question: `Where is ${qid}?`, answer: "left", qid });
    for (const [i, name] of ["train", "validate", "test"].entries())
      hub.add(`${name}.json`, Buffer.from(JSON.stringify([row(i)])));
    hub.add("imgs.zip", Buffer.from(zipSync({ "imgs/xmlab1/source.jpg": new Uint8Array(image) })));
    process.env.HF_ENDPOINT = hub.host;
    try {
      const args = ["data", "fetch", "slake", "--accept-licence", "--out", run("slake"), "--json", "-"];
      const { code, stdout, stderr } = await consiliumProcess(args);
      expect(code, stderr).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ fetched: { files: 4 }, commit: hub.commit, licence: "CC BY 4.0" });
      expect(stderr).toContain(`next: consilium train miss --set slake --data ${run("slake")}`);
      const again = await consiliumProcess(args);
      expect(again.stderr).toContain("all is there, and as it was");
      const checked = await consilium(["data", "check", run("slake"), "--json", "-"]);
      // One image in three parts is a leak; nothing else is wrong.
      const { problems, summary } = JSON.parse(checked.stdout);
      expect(problems.map(({ kind }: { kind: string }) => kind)).toEqual(["leak"]);
      expect(summary.rows).toEqual({ train: 1, validation: 1, test: 1 });
    } finally {
      delete process.env.HF_ENDPOINT;
      await hub.close();
    }
  }, 60_000);
});
