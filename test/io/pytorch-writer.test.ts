import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { io } from "../../engine/index.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-pytorch-"));
afterAll(() => rmSync(folder, { recursive: true }));

const values = Float32Array.of(1, -2.5, 0, 3, 4, 65504);
const state = [
  io.writable("fc1.weight", [2, 3], values, "F32"),
  io.writable("half.weight", [3, 2], values, "F16"),
  io.writable("bf16", [6], values, "BF16"),
  io.writable("größe", [], Int32Array.of(7), "I64"),
  io.writable("empty", [0, 4], new Float32Array(0), "F32"),
];

test("what is written is read again, twice the same bytes", async () => {
  const file = join(folder, "state.pth");
  await io.writePytorch(file, state);
  const first = readFileSync(file);
  await io.writePytorch(file, state);
  expect(readFileSync(file).equals(first)).toBe(true);
  await using reader = await io.openCheckpoint(file);
  expect(reader.format).toBe("pytorch");
  expect(reader.names).toEqual(state.map(({ name }) => name));
  for (const { name, shape, dtype, read } of state) {
    const stored = reader.get(name);
    expect([stored.dtype, stored.shape]).toEqual([dtype, shape]);
    expect(Buffer.from(await stored.read()).equals(Buffer.from(await read()))).toBe(true);
  }
});

test("a type that PyTorch's storages lack is refused", async () => {
  const file = join(folder, "u16.pth");
  const wide = [io.writable("x", [1], Int32Array.of(1), "U16")];
  await expect(io.writePytorch(file, wide)).rejects.toThrow('u16.pth: tensor "x": PyTorch has no storage for U16');
});

/** Where there is a PyTorch (CONSILIUM_PYTHON), it reads the file in its strict mode. */
const python = process.env.CONSILIUM_PYTHON;
test.skipIf(!python)("PyTorch reads it", async () => {
  const file = join(folder, "torch.pth");
  await io.writePytorch(file, state);
  const script =
    "import sys, torch\n" +
    "s = torch.load(sys.argv[1], weights_only=True)\n" +
    "print({k: (str(v.dtype), list(v.shape), v.float().flatten().tolist()) for k, v in s.items()})";
  const out = execFileSync(python as string, ["-c", script, file], { encoding: "utf8" });
  expect(out).toContain("'fc1.weight': ('torch.float32', [2, 3], [1.0, -2.5, 0.0, 3.0, 4.0, 65504.0])");
  expect(out).toContain("'bf16': ('torch.bfloat16', [6], [1.0, -2.5, 0.0, 3.0, 4.0, 65536.0])");
  expect(out).toContain("'größe': ('torch.int64', [], [7.0])");
});
