import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { LineFile } from "../../apps/cli/eval/line-file.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-lines-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a line that the disk takes half of is taken back: the next begins where it began", async () => {
  const path = join(folder, "answers.jsonl");
  const file = await LineFile.open(path);
  await file.append({ id: 1 });
  const handle = await open(path);
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const { write } = prototype;
  let writes = 0;
  const spy = vi.spyOn(prototype, "write").mockImplementation(function (this: FileHandle, ...args: unknown[]) {
    const [bytes] = args as [Uint8Array];
    if (writes++ === 0) return Reflect.apply(write, this, [bytes, 0, 4]);
    return Promise.reject(
      Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", syscall: "write" }),
    );
  } as never);
  await expect(file.append({ id: 2 })).rejects.toThrow(`${path}: the disk is full`);
  spy.mockRestore();
  expect(readFileSync(path, "utf8")).toBe('{"id":1}\n');
  await file.append({ id: 3 });
  await file.close();
  expect(readFileSync(path, "utf8")).toBe('{"id":1}\n{"id":3}\n');
  expect((await LineFile.open(path)).lines).toEqual([{ id: 1 }, { id: 3 }]);
});
