import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { measureCeilings } from "../../bench/ceilings/index.js";
import { lastCaches, sizesFor } from "../../bench/ceilings/sizes.js";
import { ceilingSchema } from "../../bench/document.js";
import { taking } from "../../bench/row/clock.js";
import { run } from "../../engine/dispatch/run.js";
import * as ceiling from "../../kernels/ceiling/kernels.js";
import { tryOpen } from "../support/devices.js";

const cpu = await tryOpen("cpu", { threads: 1 });
const webgpu = await tryOpen("webgpu");
const cuda = await tryOpen("cuda");
const reference = await tryOpen("reference");
afterAll(() => {
  for (const { device } of [cpu, webgpu, cuda, reference]) device?.close();
});

/** As small as a simulator wants it, with tails. */
const TINY = { sums: 1000, tiles: 3, copied: 5000 };

describe.each([
  ["cpu", cpu],
  ["webgpu", webgpu],
  ["cuda", cuda],
  ["reference", reference],
])("ceilings of %s", (name, { device, reason }) => {
  if (!device) return test.skip(`opens: ${reason}`, () => {});

  test.each(["f32", "bf16", "f16"] as const)("of rows in %s", async (dtype) => {
    const found = await measureCeilings(device, { dtype, threads: 1, seconds: 0, sizes: TINY });
    expect(ceilingSchema.parse(found)).toMatchObject({ device: name, dtype, threads: 1 });
    for (const rate of [found.flopsPerSecond, found.copyBytesPerSecond]) expect(rate).toBeGreaterThan(1000);
    expect(found.launchSeconds).toBeLessThan(1);
  });

  test("leave no memory behind", async () => {
    const { live } = device.memory();
    await measureCeilings(device, { dtype: "f32", threads: 1, seconds: 0, sizes: TINY });
    expect(device.memory().live).toBe(live);
  });
});

describe("a loop that did not run", () => {
  const { device } = cpu;
  if (!device) return test.skip(`opens: ${cpu.reason}`, () => {});

  test.each([
    [ceiling.multiplyAdd, /loop of multiply-adds gave .* at element/],
    [ceiling.copy, /the copy is not what it was made from/],
    [ceiling.launch, /of \d+ launches have run/],
  ])("has no rate: $label", async (pass, message) => {
    const launch = device.binding.launch;
    device.binding.launch = (one, ...rest) => {
      if (one.id !== pass.id) launch.call(device.binding, one, ...rest);
    };
    try {
      await expect(measureCeilings(device, { dtype: "f32", threads: 1, seconds: 0, sizes: TINY })).rejects.toThrow(
        message,
      );
    } finally {
      device.binding.launch = launch;
    }
  });

  test("nor has one that is interrupted", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    const options = { dtype: "f32", threads: 1, seconds: 0, sizes: TINY, signal } as const;
    await expect(measureCeilings(device, options)).rejects.toThrow("enough");
  });
});

test("a copy is far larger than the caches", ({ skip }) => {
  if (!cpu.device) return skip(`opens: ${cpu.reason}`);
  expect(8 * sizesFor(cpu.device, 1).copied).toBeGreaterThanOrEqual(2 * 4 * lastCaches());
});

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** The program of this folder, which measures the same by other means. */
class Independent {
  readonly #folder = mkdtempSync(join(tmpdir(), "independent-"));
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  static compiler = process.env.CXX ?? "c++";
  static missing = spawnSync(Independent.compiler, ["--version"]).status === 0 ? null : "no C++ compiler";

  constructor(elements: number) {
    const source = fileURLToPath(new URL("independent.cpp", import.meta.url));
    const program = join(this.#folder, "independent");
    const { status, stderr } = spawnSync(Independent.compiler, ["-O3", "-march=native", "-o", program, source]);
    if (status !== 0) throw new Error(String(stderr));
    this.#process = spawn(program, [String(elements)]);
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  async rate(work: string): Promise<{ cpu: number; clock: number }> {
    this.#process.stdin.write(`${work}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`independent: ${work} failed`);
    const [amount, cpuSeconds, seconds] = (value as string).split(" ").map(Number);
    return { cpu: amount / cpuSeconds, clock: amount / seconds };
  }

  close(): void {
    this.#process.kill();
    rmSync(this.#folder, { recursive: true });
  }
}

/** What is timed says something on a quiet machine alone: CONSILIUM_QUIET=1 npx vitest run test/bench/ceilings.test.ts */
describe.skipIf(!process.env.CONSILIUM_QUIET)("beside an independent program, on a quiet machine", () => {
  const { device } = cpu;
  if (!device) return test.skip(`opens: ${cpu.reason}`, () => {});
  if (Independent.missing) return test.skip(Independent.missing, () => {});
  const { sums, copied } = sizesFor(device, 1);
  const ROUNDS = 15;
  /** Calls of ours in a piece: other threads of the process are counted with it. */
  const CALLS = 3;

  /**
   * Our rate by theirs, of the processor's time, one right after the other: what else the machine does hits both alike. The median
   * of some rounds.
   */
  async function compared(work: number, ours: () => void, theirs: readonly string[]): Promise<number> {
    const program = new Independent(copied);
    try {
      const trial: number[] = [];
      for (const name of theirs) {
        await program.rate(name);
        trial.push((await program.rate(name)).cpu);
      }
      const fastest = theirs[trial.indexOf(Math.max(...trial))];
      const ratios: number[] = [];
      while (ratios.length < ROUNDS) {
        const { seconds, cpuSeconds } = await taking(() => {
          for (let call = 0; call < CALLS; call++) ours();
          return device?.finish() as Promise<void>;
        });
        ratios.push((CALLS * work) / (cpuSeconds ?? seconds) / (await program.rate(fastest)).cpu);
      }
      return median(ratios);
    } finally {
      program.close();
    }
  }

  test("multiply-adds within 10 %", async () => {
    const steps = 100_000;
    const params = { n: sums, steps, factor: -0.999, term: 1.9 };
    const { y } = run(device, ceiling.multiplyAdd, { y: [sums] }, params);
    const ratio = await compared(2 * sums * steps, () => void run(device, ceiling.multiplyAdd, { y }, params), [
      "multiply-add",
    ]);
    y.dispose();
    expect(ratio).toBeGreaterThan(0.9);
    expect(ratio).toBeLessThan(1.1);
  });

  test("a copy within 10 %", async () => {
    const params = { n: copied };
    const { y: x } = run(device, ceiling.multiplyAdd, { y: [copied] }, { ...params, steps: 0, factor: 0, term: 0 });
    const { y } = run(device, ceiling.copy, { x, y: [copied] }, params);
    const ratio = await compared(8 * copied, () => void run(device, ceiling.copy, { x, y }, params), [
      "copy",
      "loop",
      "stream",
    ]);
    x.dispose();
    y.dispose();
    expect(ratio).toBeGreaterThan(0.9);
    expect(ratio).toBeLessThan(1.1);
  });

  /** What users see. */
  test("ceilings by the clock within 10 %", async () => {
    const program = new Independent(copied);
    try {
      const found = await measureCeilings(device, { dtype: "f32", threads: 1, seconds: 6 });
      const best = async (name: string) => {
        let rate = 0;
        for (let round = 0; round < ROUNDS; round++) rate = Math.max(rate, (await program.rate(name)).clock);
        return rate;
      };
      const multiplyAdds = await best("multiply-add");
      const copies = Math.max(await best("copy"), await best("loop"), await best("stream"));
      console.log(
        `multiply-adds ${found.flopsPerSecond} / ${multiplyAdds}, copy ${found.copyBytesPerSecond} / ${copies}`,
      );
      expect(found.flopsPerSecond / multiplyAdds).toBeGreaterThan(0.9);
      expect(found.flopsPerSecond / multiplyAdds).toBeLessThan(1.1);
      expect(found.copyBytesPerSecond / copies).toBeGreaterThan(0.9);
      expect(found.copyBytesPerSecond / copies).toBeLessThan(1.1);
    } finally {
      program.close();
    }
  });
});
