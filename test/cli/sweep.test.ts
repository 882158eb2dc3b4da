import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { io } from "../../engine/index.js";
import { tryOpen } from "../support/devices.js";
import { consilium, consiliumStoppedAt, smallOrganData, temporaryFolder } from "./support.js";

const { device, reason } = await tryOpen("cpu", {});
device?.close();
const folder = temporaryFolder();
const data = smallOrganData(folder, 4);
const at = (name: string) => join(folder, name);
/** 12 questions, 4 a step: 3 steps an epoch. */
const sweep = (out: string, ...more: string[]) => [
  ...["sweep", "miss", "--out", at(out), "--set", "organ", "--data", data, "--image-size", "16", "--epochs", "2"],
  ...["--vocabulary", "reduced", "--scaling", "ordinary", "--batch", "4", "--answering", "rank", "--rank-k", "5"],
  ...["--device", "cpu", "--data-threads", "0", "--checkpoint-seconds", "0", ...more],
];
const ROWS = ["--rows", "F-F-ia3, F-F-lora@4"];

describe.skipIf(!device)(`sweep miss on cpu${reason}`, () => {
  test("rows over seeds as a table, JSON and a page; the same command then only shows them", async () => {
    const report = at("report.html");
    const command = sweep("whole", ...ROWS, "--seeds", "1,2", "--report", report);
    const { code, stdout, stderr } = await consilium(command);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("row 4 of 4: F-F-lora@4, seed 2");
    expect(stdout).toMatch(
      /^ViT +JTM +Dec +rank +#Params % +opened +closed +global +memory +(process +)?time +s\/step +seeds$/m,
    );
    expect(stdout).toMatch(/^F +F +IA3 +\d\.\d{3} +[\d.]+ ± [\d.]+ +.*2$/m);
    expect(stdout).toMatch(/^F +F +LoRA +4 /m);
    expect(stdout).toMatch(/Always the most common training answer: opened [\d.]+ %, closed /);
    const page = readFileSync(report, "utf8");
    for (const text of ["F-F-lora@4", "between seeds", "Settings of every row", "random weights"])
      expect(page).toContain(text);
    expect(page).not.toMatch(/<img|https?:/);

    const again = await consilium([...command, "--json", "-"]);
    expect(again.stderr).not.toContain("device:");
    const found = JSON.parse(again.stdout);
    expect(found).toMatchObject({ version: 1, command: "sweep miss", rehearsal: null, missing: [], failed: [] });
    const [ia3, lora] = found.tables[0].rows;
    expect(lora).toMatchObject({ row: "F-F-lora@4", vit: "F", jtm: "F", dec: "lora", rank: 4 });
    expect(ia3.parameters.trainable).toBeLessThan(ia3.parameters.total);
    expect(ia3.seeds.map(({ seed }: { seed: number }) => seed)).toEqual([1, 2]);
    const shares = ia3.seeds.map((seed: { metrics: { global: number } }) => seed.metrics.global);
    expect(ia3.global.mean).toBeCloseTo((shares[0] + shares[1]) / 2, 12);
    expect(ia3.global.spread).toBeCloseTo(Math.abs(shares[0] - shares[1]) / Math.SQRT2, 12);
    for (const seed of ia3.seeds) expect(seed).toMatchObject({ done: true, steps: 6, timedSteps: 6 });
    expect(ia3.peakBytes).toBe(Math.max(...ia3.seeds.map(({ peakBytes }: { peakBytes: number }) => peakBytes)));
  });

  test("Ctrl-C in a row keeps its checkpoint; the same command goes on, with the same bits", async () => {
    const stopped = await consiliumStoppedAt(
      /F-F-lora@4, seed 1\n[\s\S]*step \d/,
      "SIGINT",
      sweep("stopped", ...ROWS, "--seed", "1"),
    );
    expect(stopped.code, stopped.stderr).toBe(130);
    expect(stopped.stderr).toMatch(
      /stopped in F-F-lora@4, seed 1, after step \d+\. The rows before it are done, and its checkpoint is kept: the same command goes on\.\n$/,
    );
    const { code, stderr } = await consilium(sweep("stopped", ...ROWS, "--seed", "1"));
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("row 1 of 1: F-F-lora@4, seed 1");
    expect(stderr).toMatch(/going on at step \d/);
    const row = join("F-F-lora@4", "seed-1");
    const [a, b] = await Promise.all(
      ["stopped", "whole"].map((out) => io.openCheckpoint(join(at(out), row, "model.safetensors"))),
    );
    for (const name of a.names) expect(await a.get(name).read(), name).toEqual(await b.get(name).read());
    await Promise.all([a.close(), b.close()]);
    expect(JSON.parse(readFileSync(join(at("stopped"), row, "row.json"), "utf8"))).toMatchObject({
      steps: 6,
      timedSteps: 6,
    });
  });

  test("a row that another process is at is left to it; --results-only leaves no weights", async () => {
    const out = at("shared");
    mkdirSync(join(out, "F-F-ia3"), { recursive: true });
    const holder = JSON.stringify({ host: hostname(), pid: process.pid, id: "another" });
    const lock = join(out, "F-F-ia3", "seed-42.lock");
    writeFileSync(lock, holder);
    const beat = setInterval(() => utimesSync(lock, new Date(), new Date()), 500);
    const { code, stdout, stderr } = await consilium(
      sweep("shared", ...ROWS, "--results-only", "--epochs", "1", "--validation", "0.2", "--validate-every", "1"),
    ).finally(() => clearInterval(beat));
    expect(code, stderr).toBe(0);
    expect(stdout).toContain("Not done, another process is at it: F-F-ia3 with seed 42.");
    expect(stdout).toMatch(/^F +F +IA3 +- +- /m);
    const kept = (name: string) => existsSync(join(out, "F-F-lora@4", "seed-42", name));
    for (const name of ["row.json", "log.jsonl"]) expect(kept(name), name).toBe(true);
    for (const name of ["model", "last", "best"]) expect(kept(`${name}.safetensors`), name).toBe(false);
    expect(existsSync(join(out, "F-F-lora@4", "seed-42.lock"))).toBe(false);
  });

  test("a row that fails stops no other; one that was done with other settings is not mixed with these", async () => {
    const failing = sweep("failing", "--rows", "T-T-T,F-F-ia3", "--epochs", "1", "--memory", "5MB", "--json", "-");
    const { code, stdout, stderr } = await consilium(failing);
    expect(code, stderr).toBe(1);
    const { failed, tables } = JSON.parse(stdout);
    expect(failed).toEqual([{ row: "T-T-T", seed: 42, why: expect.stringContaining("a larger --memory") }]);
    expect(tables[0].rows[1].global).not.toBeNull();
    const other = await consilium(sweep("failing", "--rows", "F-F-ia3", "--epochs", "1", "--lr", "0.5"));
    expect(other.stderr).toMatch(
      /row\.json: it was written by a run with other settings: lr 0\.00002, now 0\.5\. Resume with/,
    );
    expect(other.code).toBe(1);
  });

  test("--rehearse measures memory and time of some steps, and keeps no run", async () => {
    const command = sweep("rehearsed", "--rows", "T-T-T,F-F-lora", "--rehearse", "2", "--json", "-");
    const { code, stdout, stderr } = await consilium(command);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/^ViT +JTM +Dec +rank +#Params % +memory +(process +)?s\/step$/m);
    const [full, lora] = JSON.parse(stdout).tables[0].rows;
    expect(full.seeds[0]).toMatchObject({ rehearsed: true, done: true, steps: 2, timedSteps: 1, metrics: null });
    // Gradients and moments of frozen weights would show.
    expect(lora.peakBytes).toBeLessThan(0.6 * full.peakBytes);
    expect(existsSync(join(at("rehearsed"), "T-T-T", "seed-42", "model.safetensors"))).toBe(false);
  });
});

describe("bad input is refused before any work, with what there is", () => {
  test.each<[string, string[], number, string]>([
    [
      "nothing chosen",
      [],
      2,
      'Name rows to compare: --table N, or --rows "F-F-lora,T-T-lora@4". There are 1 (the decoder by',
    ],
    ["an unknown table", ["--table", "5"], 2, "--table: there is no table 5. There are 1 (the decoder by every method"],
    [
      "a method where it cannot stand",
      ["--rows", "ptv2-F-F"],
      2,
      "--rows: ptv2-F-F: ptv2 puts keys in front of those of words, and an image has none. The visual encoder takes F, T, lora, ia3.",
    ],
    [
      "several texts that are no rows, all at once",
      ["--rows", "F-F-lora,prefix-T-F,F-F-F,lora@999-F-F,T-T"],
      2,
      `--rows:
  - prefix-T-F: prefix puts keys in front of those of words, and an image has none. The visual encoder takes F, T, lora, ia3.
  - F-F-F: all three modules are F, frozen: nothing would be trained.
  - "lora@999-F-F" is no row. A row names ViT, JTM and decoder, and the rank of LoRA where it is not 8: F-F-lora, T-T-lora@4.
  - "T-T" is no row.`,
    ],
    [
      "several rows that the model cannot have",
      ["--rows", "F-F-lora@65,T-T-T,lora-F-F@999", "--seeds", "1,2"],
      1,
      "  - F-F-lora@65: --rank 65 is above the width 64 of a layer: its adapter would be larger than the layer. Use 1 to 64; published are 4 and 8.\n  - lora-F-F@999: --rank 999",
    ],
    [
      "a rank above a layer's width",
      ["--rows", "F-F-lora@65"],
      1,
      "F-F-lora@65: --rank 65 is above the width 64 of a layer",
    ],
    [
      "both kinds of seeds",
      ["--table", "1", "--seeds", "1,2", "--seed", "3"],
      2,
      "--seed and --seeds exclude each other.",
    ],
    ["a seed twice", ["--table", "1", "--seeds", "1,1"], 2, "It names a seed twice."],
  ])("%s", async (_, words, code, text) => {
    const found = await consilium(sweep("none", ...words));
    expect(found.stderr).toContain(text);
    expect(found.code).toBe(code);
    expect(existsSync(at("none"))).toBe(false);
  });

  test("no folder", async () => {
    const { stderr, code } = await consilium(["sweep", "miss", "--table", "1"]);
    expect(stderr).toContain("--out is missing: name a folder to keep the rows in.");
    expect(code).toBe(2);
  });
});
