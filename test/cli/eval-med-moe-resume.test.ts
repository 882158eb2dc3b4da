import { copyFileSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { goldenMedMoe, imageFile } from "../med-moe/support.js";
import { HERE, IMAGES, lines, medMoeEvaluation, TIMEOUT } from "../support/med-moe-questions.js";
import { consilium, consiliumStoppedAt } from "./support.js";

const { folder, asked, answeredWhole } = medMoeEvaluation();
const { whole } = answeredWhole();

describe("eval med-moe may end at any time, and goes on where it was", () => {
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
