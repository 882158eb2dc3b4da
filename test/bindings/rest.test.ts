import { setImmediate as turn } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import { resting } from "../../bindings/webgpu/rest.js";

afterEach(() => vi.restoreAllMocks());

/** Some turns of the event loop. */
async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await turn();
}

function deferred<R>() {
  let resolve: (value: R) => void = () => {};
  let reject: (reason: Error) => void = () => {};
  const promise = new Promise<R>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

test("each turn sleeps while anything is waited for, in one loop for all, and none afterwards", async () => {
  const slept = vi.spyOn(Atomics, "wait").mockReturnValue("timed-out");
  const [first, second] = [deferred<string>(), deferred<string>()];
  const waiting = [resting(first.promise), resting(second.promise)];
  await turns();
  const both = slept.mock.calls.length;
  expect(both).toBeGreaterThanOrEqual(3);
  expect(both).toBeLessThanOrEqual(6);

  first.resolve("done");
  expect(await waiting[0]).toBe("done");
  await turns();
  expect(slept.mock.calls.length).toBeGreaterThan(both);

  second.reject(new Error("lost"));
  await expect(waiting[1]).rejects.toThrow("lost");
  await turns();
  const all = slept.mock.calls.length;
  await turns();
  expect(slept.mock.calls.length).toBe(all);

  await resting(turns());
  expect(slept.mock.calls.length).toBeGreaterThan(all);
});

test("work goes on where the thread may not sleep", async () => {
  vi.spyOn(Atomics, "wait").mockImplementation(() => {
    throw new TypeError("Atomics.wait cannot be called in this context");
  });
  expect(await resting(turns().then(() => 1))).toBe(1);
});
