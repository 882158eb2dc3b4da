import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { tasksOf } from "../../bench/suites/index.js";
import { namedVariant } from "../../bench/variant/named.js";
import { openVariant } from "../../bench/variant/peer.js";
import { withWgsl } from "../../bench/variant/wgsl.js";
import { decodeF16, encodeF16 } from "../../bindings/half.js";
import { OptionError, openDevice } from "../../engine/index.js";
import { forward } from "../../kernels/matmul/kernels.js";
import { hasF16, tryOpen } from "../support/devices.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-variant-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

const ours = readFileSync(new URL("../../kernels/matmul/forward.wgsl", import.meta.url), "utf8");
const file = (name: string, text: string) => {
  mkdirSync(join(folder, "matmul"), { recursive: true });
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

describe("the name of a variant", () => {
  it("is that of the kernel it replaces, from its path or said before it", () => {
    const path = file("matmul/forward.wgsl", ours);
    const other = file("mine.cu", "");
    expect(namedVariant(path)).toEqual({ kernel: "matmul/forward", file: path, device: "webgpu" });
    expect(namedVariant(`lora-matmul/forward=${other}`)).toMatchObject({
      kernel: "lora-matmul/forward",
      device: "cuda",
    });
  });

  it("is one that we have", () => {
    const path = file("mine.wgsl", ours);
    expect(() => namedVariant(`matmul/forwrd=${path}`)).toThrow(
      /^--kernel: there is no kernel "matmul\/forwrd" of webgpu\. Did you mean "matmul\/forward"\? There are matmul\/backward-/,
    );
    expect(() => namedVariant(`nothing/forward=${path}`)).toThrow(/Folders: adamw, attention, /);
    expect(() => namedVariant(`common/grid=${path}`)).toThrow(OptionError);
  });

  it("needs a file of a kind that there is", () => {
    expect(() => namedVariant("matmul/forward=none.wgsl")).toThrow("--kernel none.wgsl: there is no such file.");
    expect(() => namedVariant(file("mine.cpp", ""))).toThrow(/it is a \.wgsl file .* or a \.cu file/);
  });
});

describe("a WGSL file in place of ours", () => {
  it("has the common parts that it names, and no others", () => {
    const path = file("parts.wgsl", "// common: grid, activation\nfn main() {}");
    const found = withWgsl(forward, "matmul/forward", path)?.webgpu?.launches[0].source;
    expect(found?.common.map(({ name }) => name)).toEqual(["common/wgsl/grid", "common/wgsl/activation"]);
    const wrong = file("wrong.wgsl", "// common: gird\nfn main() {}");
    expect(() => withWgsl(forward, "matmul/forward", wrong)).toThrow(/no common part "gird"\. Known: .*grid/);
    expect(withWgsl(forward, "lora-matmul/forward", path)).toBeNull();
  });
});

const { device: probe, reason } = await tryOpen("webgpu");
probe?.close();

describe.skipIf(!probe)(`a variant as a peer ${reason}`, () => {
  const open = (path: string, dtype?: "f16") =>
    openVariant({ kernel: "matmul/forward", file: path, device: "webgpu" }, { device: "webgpu", dtype, threads: 1 });

  it("is refused where no row of the run has its kernel, with the suites that do", async () => {
    const variant = { kernel: "matmul/forward", file: file("same.wgsl", ours), device: "webgpu" } as const;
    const { tasks } = tasksOf("layer-norm", { shapes: "4x8" });
    await expect(openVariant(variant, { device: "webgpu", threads: 1, tasks })).rejects.toThrow(
      /no row of this run runs matmul\/forward\. Suites with rows that do: matmul, /,
    );
  });

  it("computes what ours does, in rows that run its kernel", async () => {
    const peer = await open(file("same.wgsl", ours));
    try {
      const [task] = tasksOf("matmul", { shapes: "16x24x32" }).tasks;
      const [{ contender, results, note }] = await peer.prepare(task, {});
      expect((await results?.())?.y).toHaveLength(16 * 24);
      expect(note).toBe("in place of ours");
      await contender.release();
      const [other] = tasksOf("layer-norm", { shapes: "4x8" }).tasks;
      await expect(peer.prepare(other, {})).rejects.toThrow("this row does not run matmul/forward");
    } finally {
      await peer.close();
    }
  });

  it("is refused where it differs from the reference, or does not compile", async () => {
    const result = "activate(ACTIVATION, result)";
    expect(ours).toContain(result);
    const doubled = file("doubled.wgsl", ours.replaceAll(result, `2.0 * ${result}`));
    await expect(open(doubled)).rejects.toThrow(
      /matmul\/forward: matmul forward 33x40x50 in f32 differs from the reference by/,
    );
    await expect(open(file("broken.wgsl", `${ours}\nfn broken( {}`))).rejects.toThrow(/matmul\/forward/);
  });

  it("is checked and timed in the storage type of the run", { timeout: 300_000 }, async ({ skip }) => {
    using device = await openDevice("webgpu");
    if (!hasF16(device)) return skip(`${device.description} has no f16`);
    const result = "activate(ACTIVATION, result)";
    const wrong = file("half.wgsl", ours.replaceAll(result, `select(1.0, 2.0, STORAGE == 2u) * ${result}`));
    await (await open(wrong)).close();
    await expect(open(wrong, "f16")).rejects.toThrow(
      /matmul\/forward: matmul forward 33x40x50 in f16 differs from the reference by .* more than 0\.00195/,
    );
    const peer = await open(file("same.wgsl", ours), "f16");
    try {
      const [task] = tasksOf("matmul", { shapes: "16x24x32", dtype: "f16" }).tasks;
      const [{ contender, results }] = await peer.prepare(task, {});
      // Rounded to 11 bits.
      const y = (await results?.())?.y as Float32Array;
      expect(decodeF16(encodeF16(y))).toEqual(y);
      await contender.release();
    } finally {
      await peer.close();
    }
  });

  it("is of one device", async () => {
    const variant = namedVariant(`matmul/forward=${file("same.wgsl", ours)}`);
    await expect(openVariant(variant, { device: "cpu", threads: 1 })).rejects.toThrow(
      new OptionError(`--kernel ${variant.file}: it is a kernel of webgpu. Add --device webgpu.`),
    );
  });
});
