import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { imageIdentity } from "../../models/data/digest.js";
import { leakedRows } from "../../models/data/leak.js";
import {
  loadQuestions,
  loadSplits,
  RunConfig,
  type RunConfigInput,
  readRun,
  sameData,
  type VqaRecord,
} from "../../models/index.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-lineage-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);

for (let i = 0; i < 40; i++) writeFileSync(path(`${i}.jpg`), `picture ${i}`);
const HEAD = "image,question,answer,group";
const write = (name: string, rows: readonly string[], head = HEAD) => {
  writeFileSync(path(name), `${[head, ...rows].join("\n")}\n`);
  return path(name);
};
const config = (data: object, more: object = {}) =>
  RunConfig.parse({ data: { set: "table", ...data }, epochs: 1, ...more } as RunConfigInput);
/** The settings that a training run leaves in its folder. */
async function trained(name: string, run: RunConfig): Promise<RunConfig> {
  const { data } = await loadSplits(run);
  mkdirSync(path(name), { recursive: true });
  writeFileSync(path(`${name}/run.json`), JSON.stringify({ ...run, data }));
  return { ...run, data };
}
const rowsOf = (records: readonly VqaRecord[]) => records.map(({ row }) => row);

const patients = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `${from + i}.jpg,Is it?,yes,p${from + i}`);
const vqaRad = join(import.meta.dirname, "../../data/vqa-rad");
const hospital = write("hospital.csv", patients(0, 20));

describe("the images of a table", () => {
  test("a byte of one of two equal images changes the split: refused, so that no test patient was trained on", async () => {
    for (const name of ["twin-a.jpg", "twin-b.jpg"]) writeFileSync(path(name), "twins");
    const file = write("twins.csv", [...patients(0, 8), "twin-a.jpg,Is it?,no,p8", "twin-b.jpg,Is it?,no,p9"]);
    const { data, train } = await loadSplits(config({ file }));
    expect(data).toMatchObject({ pictures: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(rowsOf((await loadSplits(config(data))).train)).toEqual(rowsOf(train));

    writeFileSync(path("twin-b.jpg"), "twinz");
    await expect(loadSplits(config(data))).rejects.toThrow(
      /twins\.csv: its images have changed since the run began: other rows show the same picture \(SHA-256 .*\. Put the images back as they were/,
    );
    // Without what the run recorded, another split it is.
    expect(rowsOf((await loadSplits(config({ file }))).train)).not.toEqual(rowsOf(train));
    // The seed is no matter of the images.
    writeFileSync(path("twin-b.jpg"), "twins");
    await loadSplits(config(data, { seed: 7 }));
  });

  test("one that is there and cannot be opened is an error, not another picture", async () => {
    symlinkSync("loop.jpg", path("loop.jpg"));
    await expect(imageIdentity([path("0.jpg"), path("loop.jpg")])).rejects.toThrow(/loop\.jpg: /);
    const identity = await imageIdentity([path("0.jpg"), path("none.jpg")]);
    expect(identity(path("none.jpg"))).toBe(path("none.jpg"));
  });
});

describe("a run that starts from another run's model", () => {
  test("with another seed is refused what the start was trained on; allowed, it is said", async () => {
    const first = await trained("first", config({ file: hospital }));
    const second = (more: object = {}) => config({ file: hospital, ...more }, { seed: 7, init: path("first") });
    await expect(loadSplits(second())).rejects.toThrow(
      /hospital\.csv: \d evaluation rows overlap with training.*has the question about the same image of line \d+ \(train of the start .*first\)/s,
    );
    const { leak, test: asked, unchecked } = await loadSplits(second({ allowLeak: true }));
    const known = new Set(rowsOf((await loadSplits(first)).train));
    const seen = asked.filter(({ row }) => known.has(row));
    expect(seen.length).toBeGreaterThan(0);
    expect(
      rowsOf(
        leak?.rows
          .filter(({ part, withPart }) => part === "test" && withPart === "train")
          .map(({ record }) => record) ?? [],
      ),
    ).toEqual(rowsOf(seen));
    expect(unchecked).toBeNull();
    // The same split has nothing to hide, by whatever file of the start.
    const same = config({ file: hospital }, { init: path("first/model.safetensors") });
    expect(await loadSplits(same)).toMatchObject({ leak: null, unchecked: null });
  });

  test("and so is one that starts from that; its own test part is measured with it in mind", async () => {
    const second = await trained(
      "second",
      config({ file: hospital, allowLeak: true }, { seed: 7, init: path("first") }),
    );
    const third = config({ file: write("other.csv", patients(20, 39)), allowLeak: true }, { init: path("second") });
    expect((await loadSplits(third)).leak).toBeNull();
    const again = config({ file: write("again.csv", [...patients(20, 39), ...patients(0, 20)]), allowLeak: true });
    const { leak } = await loadSplits({ ...again, init: path("second") });
    expect(new Set(leak?.rows.map(({ from }) => from))).toEqual(
      new Set([`the start ${path("second")}`, `the start ${path("first")}`]),
    );
    const own = await loadQuestions(second, "test", second);
    expect(own.leak?.rows[0]).toMatchObject({ part: "test", from: `the start ${path("first")}` });
  });

  test("that a file taught a published test is refused, though the published split is taken as it is", async () => {
    const published = (more: object = {}) =>
      RunConfig.parse({ data: { set: "vqa-rad", folder: vqaRad, ...more }, epochs: 1, init: path("taught") });
    const split = await loadSplits({ ...published(), init: undefined });
    const asked = split.test.slice(0, 3).map(({ image, question, answer }) => [image, question, answer, "train"]);
    const rows = asked.map((cells) => cells.map((cell) => JSON.stringify(cell)).join(","));
    const file = write("taught.csv", [...rows, "35.jpg,Is it?,yes,test"], "image,question,answer,split");
    await trained("taught", config({ file }));
    await expect(loadSplits(published())).rejects.toThrow(
      /vqa-rad: \d+ evaluation rows overlap.*has the question about the same image of line 2 \(train of the start .*taught\)/s,
    );
    const { leak } = await loadSplits(published({ allowLeak: true }));
    expect(leak?.rows.filter(({ ofFile }) => ofFile)).toHaveLength(3);
    // A start from the published training rows is no more than the split itself.
    await trained("fair", { ...published(), init: undefined });
    const fair = await loadSplits({ ...published(), init: path("fair") });
    expect(fair.leak?.rows.length).toBe(split.leak?.rows.length);
  });

  const rad = (set: string, init?: string, more: object = {}, data: object = {}) =>
    RunConfig.parse({ data: { set, folder: vqaRad, ...data }, epochs: 1, ...more, ...(init && { init: path(init) }) });

  test("what a published split taught it of another one's test is refused, however many starts ago; allowed, it is said", async () => {
    await trained("rad", rad("vqa-rad"));
    const asked = [rad("organ", "rad"), rad("organ", "between"), rad("organ", "beyond")];
    await trained("between", config({ file: hospital }, { init: path("rad") }));
    // That the data of one of them are gone hides no other.
    await trained("beyond", config({ file: write("lost.csv", patients(20, 30)) }, { init: path("between") }));
    rmSync(path("lost.csv"));
    for (const run of asked)
      await expect(loadSplits(run)).rejects.toThrow(
        /vqa-rad: 192 evaluation rows overlap with training\. Take a model, or a start, .*--allow-leak.*\(train of the start .*rad\)/s,
      );
    const { leak, unchecked } = await loadSplits(rad("organ", "beyond", {}, { allowLeak: true }));
    expect(leak?.rows).toHaveLength(192);
    expect(unchecked).toMatch(/^the start .*beyond: .*lost\.csv/);
    // A model of such a run is no less measured with what it knows.
    const measured = (data: object) => loadQuestions(rad("organ", undefined, {}, data), "test", rad("vqa-rad"));
    await expect(measured({})).rejects.toThrow("192 evaluation rows overlap with training");
    expect((await measured({ allowLeak: true })).leak?.rows).toHaveLength(192);
  });

  test("the demo's way is no more than the published split: images of which other questions are asked", async () => {
    await trained("organ", rad("organ"));
    const { leak } = await loadSplits(rad("vqa-rad", "organ", { validation: 0.1 }));
    expect(leak?.rows.filter(({ part }) => part === "test")).toHaveLength(451);
    expect(leak?.rows.some(({ part, from }) => part === "validation" && from)).toBe(true);
    expect((await loadQuestions(rad("vqa-rad"), "test", rad("organ"))).leak?.rows.length).toBeGreaterThan(300);
  });

  test("validation questions of a published split that the start was trained on are refused: they would choose the checkpoint", async () => {
    await trained("whole", rad("vqa-rad"));
    await expect(loadSplits(rad("vqa-rad", "whole", { validation: 0.1 }))).rejects.toThrow(
      /\d+ evaluation rows overlap.*\(validation\) has the question about the same image of .*start .*whole/s,
    );
    await trained("held", rad("vqa-rad", undefined, { validation: 0.1 }));
    await loadSplits(rad("vqa-rad", "held", { validation: 0.1 }));
  });

  test("of which nothing is known is said to be unchecked", async () => {
    mkdirSync(path("published"), { recursive: true });
    const from = (init: string) => loadSplits(config({ file: hospital }, { init }));
    expect(await from(path("published"))).toMatchObject({
      leak: null,
      unchecked: `the start ${path("published")} has no run.json`,
    });
    await trained("gone", config({ file: write("gone.csv", patients(20, 30)) }));
    rmSync(path("gone.csv"));
    expect((await from(path("gone"))).unchecked).toMatch(/^the start .*gone: .*gone\.csv: there is no such file/);
    // A model that names itself as its start ends the search.
    await trained("loop", { ...config({ file: hospital }), init: undefined });
    writeFileSync(path("loop/run.json"), JSON.stringify({ ...(await readRun(path("loop"))), init: path("loop") }));
    expect(await from(path("loop"))).toMatchObject({ leak: null, unchecked: null });
  });
});

describe("questions of another table", () => {
  const run = () => trained("asked", config({ file: hospital }));
  test("have patients of the same number that are others: a warning, with its own words", async () => {
    const asked = await loadSplits(await run());
    const [known] = asked.train;
    const [unknown] = asked.test;
    const clinic = [`30.jpg,Is it?,yes,${known.group}`, `31.jpg,Is it?,no,${unknown.group}`, "32.jpg,Is it?,no,q9"];
    const file = write("clinic.csv", clinic);
    const { leak, notices } = await loadQuestions(config({ file }), "test", await run());
    expect(leak).toBeNull();
    // The test part taught the model nothing.
    expect(notices).toEqual([
      `1 question is of a group named as in the training rows of ${hospital}: "${known.group}". ` +
        "If these are the same patients, the numbers are not those of new ones",
    ]);
    // In the same file, or a copy of it, they are the same.
    const copy = write("copy.csv", patients(0, 20));
    await expect(loadQuestions(config({ file: copy }), "test", await run())).rejects.toThrow("overlap with training");
    const { leak: found } = await loadQuestions(config({ file: copy, allowLeak: true }), "test", await run());
    expect(found?.rows[0].shares).toEqual(["question", "image", "group"]);
    expect(found && leakedRows(found)[0]).toContain(`(train of ${hospital})`);
  });

  test("are compared in their part train, too", async () => {
    const rows = ["0.jpg", "1.jpg", "2.jpg", "3.jpg"].map((image) => `${image},Is it?,yes,x,train`);
    const file = write("parts.csv", [...rows, "33.jpg,Is it?,yes,y,test"], `${HEAD},split`);
    await expect(loadQuestions(config({ file }), "train", await run())).rejects.toThrow("overlap with training");
    const own = await loadQuestions(await run(), "train", await run());
    expect(own).toMatchObject({ leak: null, notices: [expect.stringContaining("was trained on these questions")] });
  });

  test("are refused where nothing is known of the training; allowed, it is said", async () => {
    const file = write("new.csv", ["34.jpg,Is it?,yes,z"]);
    await expect(loadQuestions(config({ file }), "test", null)).rejects.toThrow(
      /new\.csv: it cannot be compared with what the model was trained on \(the model's folder has no run\.json\)\. .*--allow-leak/,
    );
    expect(await loadQuestions(config({ file, allowLeak: true }), "test", null)).toMatchObject({
      leak: null,
      unchecked: "the model's folder has no run.json",
    });
  });

  test("are those of the run by whatever path, with the run's own seed and share for validation", async () => {
    const own = await trained("held", config({ file: hospital, split: [70, 0, 30] }, { validation: 0.2, seed: 3 }));
    const { data } = config({ file: relative(process.cwd(), hospital), split: [70, 0, 30], images: `${folder}/` });
    expect(sameData(data, own.data)).toBe(true);
    for (const part of ["validation", "test"] as const)
      expect(rowsOf((await loadQuestions({ ...own, seed: 42, validation: 0, data }, part, own)).questions)).toEqual(
        rowsOf((await loadSplits(own))[part]),
      );
    expect(sameData(config({ file: hospital, columns: { group: "image" } }).data, own.data)).toBe(false);
  });
});
