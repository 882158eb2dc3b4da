import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Binding, FileRange } from "../../bindings/device.js";
import { forward } from "../../kernels/layer-norm/kernels.js";
import { floats, open, wave } from "./native-support.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-map-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Pages are 4, 16 or 64 KiB: what holds for the largest holds for all. */
const PAGE = 1 << 16;
const words = Uint32Array.from({ length: (5 * PAGE + 64) / 4 }, (_, i) => (i * 2654435761) >>> 0);
const bytes = new Uint8Array(words.buffer);

let files = 0;
function written(content = bytes): { path: string; descriptor: number } {
  const path = join(folder, `file-${files++}`);
  writeFileSync(path, content);
  return { path, descriptor: openSync(path, "r") };
}

/** Mapped files of this process by name. */
const mappings = (path: string) =>
  readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .filter((line) => line.includes(path)).length;

const map = (device: Binding, ranges: FileRange[]) => device.map?.(ranges) ?? null;

async function contents(device: Binding, ranges: FileRange[]) {
  const memory = map(device, ranges);
  return memory && new Uint8Array(await device.read(memory, memory.bytes, "u32"));
}

/** Of the file, one after the other. */
const expected = (ranges: FileRange[]) =>
  Buffer.concat(ranges.map(({ offset, bytes: length }) => bytes.subarray(offset, offset + length)));

describe("ranges become memory", () => {
  const { descriptor } = written();
  const at = (offset: number, length: number): FileRange => ({ descriptor, offset, bytes: length });

  test.each<[string, FileRange[]]>([
    ["a whole file", [at(0, bytes.length)]],
    ["a few bytes inside a page", [at(8, 40)]],
    ["the last bytes of a file", [at(bytes.length - 24, 24)]],
    ["over the edges of pages", [at(PAGE - 8, PAGE + 16)]],
    ["neighbours, however small", [at(16, 4), at(20, 8), at(28, 0), at(28, PAGE)]],
    ["whole pages in another order", [at(2 * PAGE, PAGE), at(0, 2 * PAGE), at(4 * PAGE, PAGE)]],
    [
      "pages shared by the end of one and the beginning of the next",
      [at(40, 2 * PAGE), at(3 * PAGE + 40, PAGE), at(PAGE + 40, PAGE)],
    ],
    ["one range twice", [at(3 * PAGE + 8, PAGE), at(3 * PAGE + 8, PAGE)]],
  ])("%s", async (_, ranges) => {
    const found = await contents(open(), ranges);
    expect(found && Buffer.compare(found, expected(ranges))).toBe(0);
  });

  test.each<[string, FileRange[]]>([
    ["beginnings that are no multiple of 8 bytes", [at(12, PAGE)]],
    ["one that cannot follow the other within a page", [at(0, PAGE + 8), at(3 * PAGE, PAGE)]],
    ["apart and smaller than a page", [at(0, 512), at(PAGE + 512, PAGE)]],
    ["what is beyond the end", [at(4 * PAGE, PAGE + 72)]],
    ["a file that is none", [{ descriptor: 1 << 20, offset: 0, bytes: 8 }]],
    ["nothing", [at(0, 0)]],
  ])("not: %s", (_, ranges) => {
    expect(map(open(), ranges)).toBeNull();
  });

  test("not: a device of the system", () => {
    const zero = openSync("/dev/zero", "r");
    expect(map(open(), [{ descriptor: zero, offset: 0, bytes: 4096 }])).toBeNull();
    closeSync(zero);
  });

  test("not: on a debug device, whose guard zones need room", () => {
    expect(map(open({ debug: true }), [at(0, PAGE)])).toBeNull();
  });

  test("not: bytes that were cut off since", () => {
    const file = written();
    truncateSync(file.path, PAGE);
    expect(map(open(), [{ descriptor: file.descriptor, offset: 0, bytes: bytes.length }])).toBeNull();
    closeSync(file.descriptor);
  });
});

test("what is written stays in memory: the file, and another mapping of it, keep their values", async () => {
  const device = open();
  const { path, descriptor } = written();
  const ranges = [{ descriptor, offset: 64, bytes: 2 * PAGE }];
  const [mine, other] = [map(device, ranges), map(device, ranges)];
  if (!mine || !other) throw new Error("not mapped");
  device.write(mine, Uint32Array.of(1, 2, 3), "u32", 16);
  const own = new Uint32Array(await device.read(mine, mine.bytes, "u32"));
  expect([...own.subarray(15, 20)]).toEqual([words[31], 1, 2, 3, words[35]]);
  expect(Buffer.compare(new Uint8Array(await device.read(other, other.bytes, "u32")), expected(ranges))).toBe(0);
  expect(Buffer.compare(readFileSync(path), bytes)).toBe(0);
  closeSync(descriptor);
});

test("pages are given back by a release, after the work that uses them, and by close", async () => {
  const device = open({ threads: 2 });
  const x = wave(64 * 512, 0.3);
  const { path, descriptor } = written(new Uint8Array(x.buffer));
  const range = { descriptor, offset: 0, bytes: x.byteLength };
  const mapped = map(device, [range]);
  map(device, [range]);
  closeSync(descriptor);
  if (!mapped) throw new Error("not mapped");
  expect(mappings(path)).toBe(2);
  const [y, mean, rstd, w, b] = [64 * 512, 64, 64, 512, 512].map((n) => device.allocate(n, "f32"));
  device.write(w, new Float32Array(512).fill(1), "f32");
  device.write(b, new Float32Array(512).fill(2), "f32");
  for (let i = 0; i < 20; i++)
    device.launch(forward, "f32", [mapped, w, b, y, mean, rstd], { T: 64, C: 512, eps: 1e-5 } as never);
  device.release(mapped);
  const means = await floats(device, mean, 64);
  const first = x.subarray(0, 512).reduce((a, v) => a + v, 0) / 512;
  expect(means[0]).toBeCloseTo(first, 5);
  await device.finish();
  expect(mappings(path)).toBe(1);
  device.close();
  expect(mappings(path)).toBe(0);
});
