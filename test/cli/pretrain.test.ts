import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { captionTable, radiographs } from "../models/captions.js";
import { tryOpen } from "../support/devices.js";
import { consilium, consiliumStoppedAt, smallOrganData, temporaryFolder } from "./support.js";

const TIMEOUT = 300_000;
const { device, reason } = await tryOpen("cpu", {});
device?.close();

const folder = temporaryFolder();
const file = captionTable(folder, 12);
const run = (out: string) => join(folder, out);
/** 12 images, 4 a step, 3 epochs: 9 steps. */
const pretrain = (out: string, ...more: string[]) => [
  ...["pretrain", "miss", "--out", run(out), "--data", file, "--image-folder", radiographs, "--device", "cpu"],
  ...["--vocabulary", "reduced", "--scaling", "ordinary", "--image-size", "32", "--epochs", "3", "--batch", "4"],
  ...["--queue", "8", "--warmup-steps", "2", "--lr", "1e-3", "--checkpoint-seconds", "0", ...more],
];

describe.skipIf(!device)(`pretrain miss on cpu${reason}`, () => {
  test(
    "a run, stopped by Ctrl-C and resumed by the command that it gives: the same model as a whole one",
    async () => {
      const whole = await consilium(pretrain("whole", "--json", "-"));
      expect(whole.code, whole.stderr).toBe(0);
      expect(whole.stderr).toContain("12 pairs, 9 steps");
      expect(JSON.parse(whole.stdout)).toMatchObject({
        ...{ version: 1, command: "pretrain miss", steps: 9, resumedAt: 0 },
        config: { batch: 4, queue: 8, data: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } },
        history: { contrast: expect.any(Array), matching: expect.any(Array), captioning: expect.any(Array) },
      });

      const stopped = await consiliumStoppedAt(/step 1\/9/, "SIGINT", pretrain("stopped", "--data-threads", "1"));
      expect(stopped.code, stopped.stderr).toBe(130);
      const [, again] = /Go on with: npx consilium (.*)$/m.exec(stopped.stderr) ?? [];
      const flags = "--resume --checkpoint-seconds 0 --data-threads 1 --device cpu";
      expect(again).toBe(`pretrain miss --out ${run("stopped")} ${flags}`);
      const resumed = await consilium(again.split(" "));
      expect(resumed.code, resumed.stderr).toBe(0);
      expect(resumed.stderr).toMatch(/going on at step [1-8]/);
      expect(resumed.stdout).toMatch(/losses of the last step: contrast [\d.]+, matching [\d.]+, captioning [\d.]+/);
      expect(resumed.stdout).toContain(
        `npx consilium train miss --init ${run("stopped")} --scaling ordinary --out FOLDER`,
      );
      expect(resumed.stdout).toMatch(
        /^memory: at most [\d.]+ MB in use .*, [\d.]+ MB by the whole process, since step \d+$/m,
      );
      const bytes = (out: string) => readFileSync(join(run(out), "model.safetensors"));
      expect(bytes("stopped").equals(bytes("whole"))).toBe(true);
      const logged = (out: string) =>
        readFileSync(join(run(out), "log.jsonl"), "utf8")
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line))
          .map(({ type, step, epoch, loss }) => ({ type, step, epoch, loss }));
      const { loss } = JSON.parse(whole.stdout).history;
      const epoch = (i: number) => 1 + Math.floor(i / 3);
      expect(logged("whole")).toEqual(
        loss.map((l: number, i: number) => ({ type: "step", step: i + 1, epoch: epoch(i), loss: l })),
      );
      expect(logged("stopped")).toEqual(logged("whole"));
    },
    TIMEOUT,
  );

  test(
    "what comes out is described, tuned, and answers: written and ranked",
    async () => {
      const info = await consilium(["info", run("whole")]);
      expect(info.code, info.stderr).toBe(0);
      const data = smallOrganData(temporaryFolder(), 4);
      const questions = ["--set", "organ", "--data", data, "--device", "cpu", "--json", "-"];
      // The captions were of the same images.
      const refused = await consilium(["eval", "miss", run("whole"), ...questions]);
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/overlap with training.*--allow-leak/s) });
      const asked = [...questions, "--allow-leak"];
      for (const answering of [
        ["generate", "--beams", "2"],
        ["rank", "--rank-k", "3"],
      ]) {
        const evaluated = await consilium(["eval", "miss", run("whole"), ...asked, "--answering", ...answering]);
        expect(evaluated.code, evaluated.stderr).toBe(0);
        expect(JSON.parse(evaluated.stdout)).toMatchObject({ metrics: { details: { global: { total: 12 } } } });
      }
      const tuned = await consilium([
        ...["train", "miss", "--out", run("tuned"), "--init", run("whole"), "--set", "organ", "--data", data],
        "--allow-leak",
        ...[
          "--scaling",
          "ordinary",
          "--epochs",
          "1",
          "--batch",
          "4",
          "--answering",
          "rank",
          "--rank-k",
          "3",
          "--device",
          "cpu",
        ],
      ]);
      expect(tuned.code, tuned.stderr).toBe(0);
      expect(tuned.stderr).not.toContain("tensors of the model");
    },
    TIMEOUT,
  );
});

describe("what is refused names flags", () => {
  const refused = async (args: readonly string[]) => {
    const { code, stderr } = await consilium(args);
    expect(code).not.toBe(0);
    return stderr;
  };
  const on = ["--device", "reference"];

  test("no data, sizes that do not fit, a batch of one", async () => {
    expect(await refused(["pretrain", "miss", "--out", run("a"), ...on])).toContain(
      "--data is missing: a table of images and captions",
    );
    expect(await refused(pretrain("a", "--queue", "10"))).toContain(
      "--queue 10 is not a multiple of --batch 4: each step overwrites the next 4 features of the queue",
    );
    expect(await refused(pretrain("a", "--batch", "1"))).toContain(
      "--batch: a pair alone has no wrong text for its image, which matching needs: 2 or more",
    );
    expect(await refused(pretrain("a", "--batch", "64", "--queue", "64"))).toContain("--batch is 64, but");
    expect(await refused(pretrain("a", "--augment", "flipp"))).toContain('Did you mean "flip"? "flipp" is none.');
    expect(await refused(pretrain("a", "--image-column", "img"))).toContain('there is no column "img" for the image');
  });

  test("a config file with a key that there is none of", async () => {
    const settings = join(folder, "settings.json");
    writeFileSync(settings, JSON.stringify({ data: { file }, momentun: 0.9 }));
    expect(await refused(["pretrain", "miss", "--out", run("a"), "--config", settings, ...on])).toContain("momentun");
  });
});
