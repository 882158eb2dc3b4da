import { existsSync, lstatSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { commandLine, commonFlags } from "../../apps/cli/options/command-line.js";
import { writeFileIn } from "../../apps/cli/terminal/output.js";
import { temporaryFolder } from "./support.js";

const folder = temporaryFolder();

test("a result replaces the old file as a whole: who had it open still reads the old one", async () => {
  const path = join(folder, "new", "result.json");
  await writeFileIn(path, "one");
  const { ino } = statSync(path);
  await writeFileIn(path, "two");
  expect(readFileSync(path, "utf8")).toBe("two");
  expect(statSync(path).ino).not.toBe(ino);
});

test("a link stays a link, a device stays a device", async () => {
  const [target, link] = [join(folder, "target.json"), join(folder, "link.json")];
  writeFileSync(target, "old");
  symlinkSync(target, link);
  await writeFileIn(link, "new");
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  expect(readFileSync(target, "utf8")).toBe("new");
  await writeFileIn("/dev/null", "gone");
  expect(existsSync("/dev/null") && statSync("/dev/null").isCharacterDevice()).toBe(true);
});

test("printed commands run in the clone, quote what a shell would split, and keep the flags", () => {
  const flags = commonFlags({ threads: 2, json: "out.json" }, "webgpu");
  expect(commandLine("train", "miss", "--out", "my runs/it's", ...flags)).toBe(
    "npx consilium train miss --out 'my runs/it'\\''s' --device webgpu --threads 2 --json out.json",
  );
});
