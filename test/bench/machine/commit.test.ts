import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { commitOf } from "../../../bench/machine/environment.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-commit-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a commit is dirty where tracked files are changed, not where others lie beside them", () => {
  const who = ["-c", "user.name=a", "-c", "user.email=a@b.c"];
  const git = (...args: string[]) => execFileSync("git", [...who, ...args], { cwd: folder, stdio: "pipe" });
  expect(commitOf(folder)).toBeNull();
  git("init", "-q");
  writeFileSync(join(folder, "tracked"), "1");
  git("add", "tracked");
  git("commit", "-q", "-m", "first");
  writeFileSync(join(folder, "report.html"), "");
  expect(commitOf(folder)).toMatch(/^[0-9a-f]{40}$/);
  writeFileSync(join(folder, "tracked"), "2");
  expect(commitOf(folder)).toMatch(/^[0-9a-f]{40}-dirty$/);
});
