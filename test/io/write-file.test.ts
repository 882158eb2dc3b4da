import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { platform } from "#platform";

const folder = mkdtempSync(join(tmpdir(), "consilium-write-"));
afterAll(() => rmSync(folder, { recursive: true }));
const bytes = (text: string) => [new TextEncoder().encode(text)];
/** No process has it: above the largest number that Linux gives. */
const DEAD = 2 ** 22 + 1;
const ID = "01234567-89ab-4cde-8f01-23456789abcd";

test("what killed writers of the same file left behind goes with the next write; nothing else does", async () => {
  const left = `.a.txt.${DEAD}.${ID}.tmp`;
  const before = `.a.txt.${process.pid}.${ID}.tmp`;
  const alive = `.a.txt.${process.ppid}.${ID}.tmp`;
  const others = [`.b.txt.${DEAD}.${ID}.tmp`, `a.txt.${DEAD}.tmp`, alive];
  for (const name of [left, before, ...others]) writeFileSync(join(folder, name), "half");
  await platform.writeFile(join(folder, "a.txt"), bytes("whole"));
  expect(readFileSync(join(folder, "a.txt"), "utf8")).toBe("whole");
  expect(readdirSync(folder).toSorted()).toEqual(["a.txt", ...others].toSorted());
});

test("a write that fails keeps the old file and leaves nothing", async () => {
  const path = join(folder, "c.txt");
  await platform.writeFile(path, bytes("old"));
  const failing = function* () {
    yield new Uint8Array(10);
    throw new Error("no more");
  };
  await expect(platform.writeFile(path, failing())).rejects.toThrow("no more");
  expect(readFileSync(path, "utf8")).toBe("old");
  expect(readdirSync(folder).filter((name) => name.startsWith(".c.txt"))).toEqual([]);
});

test("two writes of one file at the same time both end, one of them last", async () => {
  const path = join(folder, "d.txt");
  await Promise.all(["one", "two"].map((text) => platform.writeFile(path, bytes(text))));
  expect(["one", "two"]).toContain(readFileSync(path, "utf8"));
});
