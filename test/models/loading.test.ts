import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { platform } from "#platform";
import { FileError } from "../../bindings/platform/file-error.js";
import { type Device, OptionError, openDevice } from "../../engine/index.js";
import { FileFormatError } from "../../engine/io/errors.js";
import type { TrainEvent } from "../../models/index.js";
import { start } from "../../models/miss/batch-thread.js";
import { readAhead } from "../../models/training/loading/read-ahead.js";
import { DataThreads } from "../../models/training/loading/threads.js";
import { takeSteps } from "../../models/training/steps.js";
import { temporaryFolder } from "../cli/support.js";
import { missRuns } from "./runs.js";
import { radiograph } from "./support.js";

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe("readAhead", () => {
  test("gives what is read in order, some beside the one in use", async () => {
    const log: string[] = [];
    const read = async (n: number) => {
      log.push(`read ${n}`);
      // The first takes longest.
      await pause(20 / n);
      return n;
    };
    for await (const n of readAhead([1, 2, 3, 4, 5], read, 2)) {
      log.push(`use ${n}`);
      await pause(1);
    }
    const uses = log.filter((entry) => entry.startsWith("use"));
    expect(uses).toEqual([1, 2, 3, 4, 5].map((n) => `use ${n}`));
    for (let n = 1; n <= 3; n++) expect(log.indexOf(`read ${n + 2}`)).toBeLessThan(log.indexOf(`use ${n + 1}`));
    expect(log.indexOf("read 4")).toBeGreaterThan(log.indexOf("use 1"));
  });

  test("what cannot be read comes in its turn; nothing is read after the consumer has enough", async () => {
    const read = async (n: number) => {
      if (n === 3) throw new Error("three");
      return n;
    };
    const seen: number[] = [];
    const all = (async () => {
      for await (const n of readAhead([1, 2, 3, 4], read, 3)) seen.push(n);
    })();
    await expect(all).rejects.toThrow("three");
    expect(seen).toEqual([1, 2]);
    for await (const n of readAhead([1, 2, 3, 4], read, 3)) if (n === 1) break;
  });
});

test("what counts as waiting is the time in which no step is under way", async () => {
  const waits = async (reading: number, computing: number) => {
    const waited: number[] = [];
    async function* slow() {
      for (let n = 0; n < 4; n++) {
        await pause(reading);
        yield n;
      }
    }
    await takeSteps(slow(), {
      step: async (_, seconds) => {
        waited.push(seconds);
        await pause(computing);
      },
      save: async () => {},
      due: () => false,
    });
    return waited.slice(1);
  };
  for (const seconds of await waits(1, 60)) expect(seconds).toBeLessThan(0.02);
  for (const seconds of await waits(80, 5)) expect(seconds).toBeGreaterThan(0.04);
});

const init = {
  pieces: ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
  scaling: "ordinary",
  seed: 1,
  augmentations: [],
  size: 16,
  keptBytes: 1e6,
} as const;

describe("threads", () => {
  test("a thread that ends by itself fails its jobs, and those to come", async () => {
    const threads = new DataThreads({ module: "models/miss/nothing.js", start, init, count: 1 });
    await expect(threads.run([])).rejects.toThrow(/nothing\.js/);
    const thread = platform.startThread?.("models/miss/batch-thread.js", init);
    const job = expect(thread?.run([{ image: radiograph, question: "", answer: "" }])).rejects.toThrow(
      "the threads that read data are closed",
    );
    await thread?.close();
    await job;
    await expect(thread?.run([])).rejects.toThrow("closed");
    await threads.close();
  });
});

describe("what a job throws", () => {
  const [missing, cut] = ["no-such-image.jpg", join(temporaryFolder(), "cut.jpg")];
  const row = (image: string, size = 16) => ({ size, rows: [{ image, question: "", answer: "" }] });

  test.each([
    [
      "FileFormatError",
      FileFormatError,
      row(missing),
      { file: missing, what: expect.stringContaining("no such file") },
    ],
    [
      "FileError",
      FileError,
      row(cut),
      { path: cut, notFound: false, reason: expect.stringContaining("not a readable") },
    ],
    ["OptionError", OptionError, row(radiograph, 0), { message: expect.stringMatching(/ 0\.$/) }],
  ])("comes from a thread as it does without one: %s", async (name, Class, { size, rows }, fields) => {
    writeFileSync(cut, readFileSync(radiograph).subarray(0, 3000));
    const [here, there] = await Promise.all(
      [0, 1].map(async (count) => {
        const form = { ...init, size };
        const threads = new DataThreads({ module: "models/miss/batch-thread.js", start, init: form, count });
        const thrown: unknown = await threads.run(rows).catch((error) => error);
        await threads.close();
        return thrown;
      }),
    );
    for (const error of [here, there]) {
      expect(error).toBeInstanceOf(Class);
      expect(error).toMatchObject({ name, message: (here as Error).message, ...fields });
    }
    expect((there as Error).stack).toContain("dist/models/");
  });
});

describe("a run", () => {
  let device: Device;
  const { path, train, sameFiles } = missRuns(() => device);
  beforeAll(async () => {
    device = await openDevice("cpu");
  });
  afterAll(() => device.close());
  const change = { imageSize: 16, batch: 4, accumulate: 2, epochs: 1 } as const;

  test("has the same bits whatever the number of threads, and order", async () => {
    for (const dataThreads of [0, 1, 3]) await train(`threads-${dataThreads}`, { change, dataThreads });
    sameFiles("threads-1", "threads-0");
    sameFiles("threads-3", "threads-0");
  });

  test("draws the same changes of its rows whatever the number of threads", async () => {
    const augment = [
      { name: "word-swap", times: 2 },
      { name: "gaussian-noise", p: 0.5, variance: 0.1, published: false },
      { name: "random-resized-crop", scale: [0.5, 1], ratio: [0.75, 1.25] },
    ] as const;
    for (const dataThreads of [0, 2])
      await train(`changed-${dataThreads}`, { change: { ...change, augment: [...augment] as never }, dataThreads });
    sameFiles("changed-2", "changed-0");
    const weights = (name: string) => readFileSync(join(path(name), "model.safetensors"));
    expect(Buffer.compare(weights("changed-0"), weights("threads-0"))).not.toBe(0);
  });

  test.each([0, 2])(
    "with %i threads an image that cannot be read is named, after a checkpoint",
    async (dataThreads) => {
      const [broken, whole] = [path(`broken-${dataThreads}.jpg`), path(`whole-${dataThreads}.jpg`)];
      copyFileSync(radiograph, whole);
      // Its header is whole.
      writeFileSync(broken, readFileSync(radiograph).subarray(0, 3000));
      const table = path(`rows-${dataThreads}.csv`);
      const row = (image: string, i: number, split: string) => `${image},question ${i},yes,${split}`;
      const rows = Array.from({ length: 24 }, (_, i) => row(i === 9 ? broken : whole, i, "train"));
      writeFileSync(table, ["image,question,answer,split", ...rows, row(radiograph, 99, "test")].join("\n"));
      const steps: TrainEvent[] = [];
      const run = train(`broken-${dataThreads}`, {
        dataThreads,
        change: {
          data: { set: "table", file: table, allowLeak: true },
          ...{ validation: 0, imageSize: 16, batch: 1, answering: { method: "generate" } },
        },
        stop: (event) => {
          if (event.type === "step") steps.push(event);
          return false;
        },
      });
      await expect(run).rejects.toThrow(`${broken}: not a readable image`);
      if (steps.length > 0)
        expect(readFileSync(join(path(`broken-${dataThreads}`), "last.safetensors")).length).toBeGreaterThan(1000);
    },
  );
});
