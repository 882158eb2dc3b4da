import { describe, expect, test } from "vitest";
import { completed, takeSteps } from "../../models/training/steps.js";

/** What a run does with the batches, in order. Numbers come some milliseconds after their step. */
async function run(
  batches: AsyncIterable<number>,
  { stopAt = Infinity, due = () => false, failAt = Infinity, pauseAt = Infinity } = {},
) {
  const stopping = new AbortController();
  const log: string[] = [];
  const taken = takeSteps(batches, {
    step: async (n) => {
      log.push(`step ${n}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (n === failAt) throw new Error(`numbers of ${n}`);
      log.push(`numbers ${n}`);
      if (n === stopAt) stopping.abort();
    },
    save: async () => {
      log.push("save");
    },
    due,
    pauses: () => log.includes(`step ${pauseAt}`),
    signal: stopping.signal,
  });
  return { end: await taken.catch((error: Error) => error.message), log };
}
async function* upTo(n: number, error?: Error) {
  for (let i = 1; i <= n; i++) yield i;
  if (error) throw error;
}

describe("takeSteps", () => {
  test("a step is enqueued before the numbers of the one before are there", async () => {
    const { end, log } = await run(upTo(3));
    expect(end).toBe(true);
    expect(log).toEqual(["step 1", "step 2", "numbers 1", "step 3", "numbers 2", "numbers 3"]);
  });

  test("stopped, it saves what was taken", async () => {
    const { end, log } = await run(upTo(5), { stopAt: 1 });
    expect(end).toBe(false);
    expect(log).toEqual(["step 1", "step 2", "numbers 1", "numbers 2", "save"]);
  });

  test("where it pauses, the numbers so far are there, and nothing is saved that is not due", async () => {
    const { end, log } = await run(upTo(5), { pauseAt: 2 });
    expect(end).toBe(true);
    expect(log).toEqual(["step 1", "step 2", "numbers 1", "numbers 2"]);
    expect((await run(upTo(5), { pauseAt: 2, stopAt: 2 })).log.at(-1)).toBe("save");
  });

  test("where a batch cannot be read, it saves the steps before, then throws", async () => {
    const { end, log } = await run(upTo(2, new Error("no image")));
    expect(end).toBe("no image");
    expect(log).toEqual(["step 1", "step 2", "numbers 1", "numbers 2", "save"]);
    expect(await run(upTo(0, new Error("no image")))).toEqual({ end: "no image", log: [] });
  });

  test("what spoilt a step is not saved", async () => {
    const { end, log } = await run(upTo(1, new Error("no image")), { failAt: 1 });
    expect(end).toBe("numbers of 1");
    expect(log).toEqual(["step 1"]);
  });
});

test("completed: false for the signal's reason alone", async () => {
  const stopping = new AbortController();
  const { signal } = stopping;
  expect(await completed(Promise.resolve(), signal)).toBe(true);
  stopping.abort();
  expect(await completed(Promise.reject(signal.reason), signal)).toBe(false);
  await expect(completed(Promise.reject(new Error("other")), signal)).rejects.toThrow("other");
});
