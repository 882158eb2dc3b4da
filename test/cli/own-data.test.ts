import { appendFileSync, cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { tryOpen } from "../support/devices.js";
import { consilium, temporaryFolder, vqaRad } from "./support.js";

const { device, reason } = await tryOpen("cpu", {});
device?.close();

const folder = temporaryFolder();
const run = (out: string) => join(folder, out);
const example = fileURLToPath(new URL("../../examples/own-data/rows.csv", import.meta.url));
const columns = ["--columns", "image=file,answer=label,group=patient", "--image-folder", join(vqaRad, "images")];
const rows = readFileSync(example, "utf8").trim().split("\n");

/** A table of its own name with these lines below the example's header. */
const table = (name: string, lines: readonly string[], head = rows[0]) => {
  const file = join(folder, name);
  writeFileSync(file, `${[head, ...lines].join("\n")}\n`);
  return file;
};
const train = (out: string, file: string, ...more: string[]) => [
  ...["train", "miss", "--out", run(out), "--data", file, ...columns, "--vocabulary", "reduced"],
  ...["--scaling", "ordinary", "--epochs", "1", "--batch", "20", "--answering", "rank", "--device", "cpu"],
  ...["--json", "-", ...more],
];
const evaluate = (out: string, ...more: string[]) => [
  "eval",
  "miss",
  run(out),
  "--device",
  "cpu",
  "--json",
  "-",
  ...more,
];

describe.skipIf(!device)(`data of one's own on cpu${reason}`, () => {
  test("trained for two steps, split by patient, and evaluated on the same split again", async () => {
    const file = run("rows.csv");
    cpSync(example, file);
    const { code, stdout, stderr } = await consilium(train("own", file));
    expect(code, stderr).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ steps: 2, leak: null, config: { data: { set: "table", file } } });
    expect(report.config.data.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(JSON.parse(readFileSync(join(run("own"), "run.json"), "utf8"))).toEqual(report.config);
    expect(Object.keys(report.metrics.details)).toContain("category:chest");

    const evaluated = await consilium(evaluate("own"));
    expect(evaluated.code, evaluated.stderr).toBe(0);
    const again = JSON.parse(evaluated.stdout);
    expect(again).toMatchObject({ metrics: report.metrics, leak: null, leakChecked: true, config: { split: "test" } });

    const val = await consilium(evaluate("own", "--split", "val", "--shuffle-images"));
    expect(val.code, val.stderr).toBe(0);
    expect(JSON.parse(val.stdout).config).toMatchObject({ split: "validation", images: "shuffled" });
    expect(val.stderr).toContain("A control (--shuffle-images)");
  }, 120_000);

  test("a report of the evaluation: with thumbnails only where they are asked for", async () => {
    const [plain, pictures] = [run("plain.html"), run("pictures.html")];
    const first = await consilium(evaluate("own", "--report", plain));
    expect(first.code, first.stderr).toBe(0);
    const page = readFileSync(plain, "utf8");
    expect(page).toContain("rows.csv (test)");
    expect(page).not.toMatch(/<img|data:image|<script|LEAK/);
    const second = await consilium(evaluate("own", "--report", pictures, "--report-images"));
    expect(second.code, second.stderr).toBe(0);
    const thumbnails = readFileSync(pictures, "utf8").match(/<img src="data:image\/jpeg;base64,[^"]+"/g) ?? [];
    expect(thumbnails).toHaveLength(2);
    for (const thumbnail of thumbnails) expect(thumbnail.length).toBeLessThan(20_000);
  }, 120_000);

  test("a changed table is refused by --resume and by eval; the same one goes on", async () => {
    const same = await consilium(["train", "miss", "--out", run("own"), "--resume", "--device", "cpu"]);
    expect(same.code, same.stderr).toBe(0);
    appendFileSync(run("rows.csv"), "synpic17738.jpg,Is it new?,yes,p99,chest\n");
    for (const args of [["train", "miss", "--out", run("own"), "--resume", "--device", "cpu"], evaluate("own")]) {
      const { code, stderr } = await consilium(args);
      expect({ code, stderr }).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("it has changed since the run"),
      });
    }
    cpSync(example, run("rows.csv"));
  }, 120_000);

  test("another table is compared with what the model was trained on, by picture too", async () => {
    const trained = table(
      "seen.csv",
      rows.slice(1).map((row) => row.replace(/p\d\d/, "new")),
    );
    const refused = await consilium(evaluate("own", "--data", trained, ...columns));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /evaluation rows overlap with training.*--allow-leak.*line \d+ \(test\) has the question about/s,
    );
    const report = run("leak.html");
    const allowed = await consilium(evaluate("own", "--data", trained, ...columns, "--allow-leak", "--report", report));
    expect(allowed.code, allowed.stderr).toBe(0);
    expect(JSON.parse(allowed.stdout)).toMatchObject({ config: { split: "all" }, leak: { totals: { test: 48 } } });
    expect(allowed.stderr).toContain("LEAK (allowed by --allow-leak): ");
    expect(readFileSync(report, "utf8")).toContain("LEAK (allowed by --allow-leak): ");

    const unseen = table("unseen.csv", ["synpic100132.jpg,Is the heart enlarged?,no,q1,chest"]);
    const sound = await consilium(evaluate("own", "--data", unseen, ...columns));
    expect(sound.code, sound.stderr).toBe(0);
    expect(JSON.parse(sound.stdout)).toMatchObject({ leak: null, leakChecked: true });
  }, 120_000);

  test("a model of unknown training: refused; allowed, it is said in text, page and JSON", async () => {
    cpSync(run("own"), run("stranger"), { recursive: true });
    rmSync(join(run("stranger"), "run.json"));
    const file = table("stranger.csv", ["synpic100132.jpg,Is the heart enlarged?,no,q1,chest"]);
    const asked = ["--data", file, ...columns];
    const refused = await consilium(evaluate("stranger", ...asked));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      "stranger.csv: it cannot be compared with what the model was trained on (the model's folder has no run.json)",
    );
    const report = run("stranger.html");
    const { code, stdout, stderr } = await consilium(
      evaluate("stranger", ...asked, "--allow-leak", "--report", report),
    );
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ leak: null, leakChecked: false, notices: [] });
    const said = "Not compared with all that the model was trained on:";
    expect(stderr).toContain(
      `${said} the model's folder has no run.json. It may have been trained on these questions.`,
    );
    expect(readFileSync(report, "utf8")).toContain(`<strong>${said}</strong>`);
  }, 120_000);

  test("started from another run's model with another seed: what that was trained on is no test", async () => {
    const file = run("rows.csv");
    const more = ["--init", run("own"), "--seed", "7", "--split", "40,20,40"];
    const refused = await consilium(train("second", file, ...more));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/rows\.csv: \d+ evaluation rows overlap with training.*of the start .*own\)/s);
    const { code, stderr } = await consilium(train("second", file, ...more, "--allow-leak"));
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("LEAK (allowed by --allow-leak): ");
    const evaluated = await consilium(evaluate("second"));
    // Of the three test patients, the first run held back one at most.
    expect(JSON.parse(evaluated.stdout).leak.image).toBeGreaterThan(0);
    const own = await consilium(evaluate("own", "--split", "train"));
    expect(own.code, own.stderr).toBe(0);
    expect(own.stderr).toContain("Note: The model was trained on these questions");
  }, 120_000);

  test("a leak in the table's own split: refused before anything is written, allowed and said everywhere", async () => {
    const split = rows.slice(1, 9).map((row, i) => `${row},${i < 4 ? "train" : "test"}`);
    const file = table("leak.csv", split, `${rows[0]},split`);
    const refused = await consilium(train("leak", file));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /leak\.csv: 2 evaluation rows overlap with training.*line 6 \(test\) has the image of line 5/s,
    );
    const { code, stdout, stderr } = await consilium(train("leak", file, "--allow-leak"));
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).leak).toMatchObject({
      questions: 2,
      group: 2,
      image: 2,
      question: 0,
      totals: { test: 4 },
    });
    expect(stderr).toMatch(/warning: 2 of 4 test questions.*\n/);
    expect(stderr).toMatch(
      /LEAK \(allowed by --allow-leak\): 2 of 4 test questions share with training: 2 the group, 2 the image\./,
    );
    const evaluated = await consilium(evaluate("leak"));
    expect(JSON.parse(evaluated.stdout).leak).toEqual(JSON.parse(stdout).leak);
  }, 120_000);
});

describe("wrong usage exits with 2", () => {
  const start = ["train", "miss", "--out", run("none"), "--data", example];
  test.concurrent.each([
    ["a column of no role", [...start, "--columns", "imag=x"], 'Did you mean "image"?'],
    ["columns that are no list", [...start, "--columns", "image"], "image=file,question=text"],
    ["a role twice", [...start, "--columns", "image=a,image=b"], "names the column of image twice"],
    ["shares that are not 100", [...start, "--split", "80,10"], "80,10,10 or 80,20"],
    ["shares without a test part", [...start, "--split", "90,10,0"], "80,10,10 or 80,20"],
    ["--set beside a table", [...start, "--set", "organ"], "--set is for a folder"],
    [
      "--columns without a table",
      ["train", "miss", "--out", run("none"), "--columns", "image=a"],
      "--columns is for a table",
    ],
    [
      "--split without a table",
      ["train", "miss", "--out", run("none"), "--split", "80,10,10"],
      "--split is for a table",
    ],
    ["eval with columns, without a table", ["eval", "miss", run("none"), "--columns", "image=a"], "are for a table"],
  ])("%s", async (_, args, named) => {
    const { code, stderr } = await consilium(args);
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining(named) });
  });
});
