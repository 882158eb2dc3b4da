import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bytes } from "../../apps/cli/terminal/format.js";
import { tryOpen } from "../support/devices.js";
import { consilium, smallOrganData, temporaryFolder } from "./support.js";

const { device, reason } = await tryOpen("cpu", {});
device?.close();
const folder = temporaryFolder();
const data = smallOrganData(folder, 4);
const train = (...more: string[]) =>
  ["train", "miss", "--set", "organ", "--data", data, "--image-size", "16", "--vocabulary", "reduced"].concat(
    ["--batch", "4", "--device", "cpu", "--answering", "rank", "--rank-k", "5"],
    more,
  );

describe.skipIf(!device)(`before a training on cpu${reason}`, () => {
  test("--find-lr plots the loss by the rate, suggests one, and leaves no run", async () => {
    const { code, stdout, stderr } = await consilium(train("--find-lr", "--scaling", "ordinary", "--dropout", "0"));
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/│[\u2800-\u28ff]+\n/);
    expect(stdout).toMatch(/suggestion: --lr [\d.e-]+, where the loss falls fastest; it is lowest at [\d.e-]+\.\n$/);
    const json = await consilium(train("--find-lr", "--out", join(folder, "none"), "--json", "-"));
    expect(JSON.parse(json.stdout)).toMatchObject({ command: "train miss --find-lr", config: { batch: 4 } });
    expect(existsSync(join(folder, "none"))).toBe(false);
  });

  test("--max-memory chooses the batch of the run, and says what it measured", async () => {
    const out = join(folder, "limited");
    const limited = train("--out", out, "--epochs", "1", "--max-memory", "16MB", "--json", "-");
    const { code, stdout, stderr } = await consilium(limited);
    expect(code, stderr).toBe(0);
    const { config, peakBytes } = JSON.parse(stdout);
    const { batch, accumulate } = config;
    expect(batch * accumulate).toBe(4);
    // That of the whole command, its test too.
    expect(peakBytes).toBeLessThanOrEqual(16e6);
    expect(stderr).toContain(`memory: at most ${bytes(peakBytes)} in use on the device at once, `);
    expect(stderr).toMatch(
      new RegExp(`--max-memory 16\\.0 MB: --batch ${batch} --accumulate ${accumulate} \\(.*1: [\\d.]+ MB, 2: `),
    );
    expect((await consilium([...limited, "--resume"])).stderr).toContain("Leave it out with --resume.");
  });

  test("--report of a training has its curves, and no image", async () => {
    const [out, report] = [join(folder, "reported"), join(folder, "report.html")];
    const done = await consilium(train("--out", out, "--epochs", "2", "--validation", "0.3", "--report", report));
    expect(done.code, done.stderr).toBe(0);
    const page = readFileSync(report, "utf8");
    for (const text of ["Training loss", "Learning rate", "validation at step", "Accuracy, with 95 % intervals"])
      expect(page).toContain(text);
    expect(page).not.toContain("<img");
  });

  test("where one question does not fit, it says what it needs before anything is written", async () => {
    const out = join(folder, "tiny");
    const { code, stderr } = await consilium(train("--out", out, "--max-memory", "1MB"));
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /consilium: --max-memory is 1\.0 MB, and one row at a time needs [\d.]+ MB\. Give more, or /,
    );
    expect(existsSync(out)).toBe(false);
  });
});
