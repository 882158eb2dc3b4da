import { afterEach, describe, expect, it } from "vitest";
import { WebWorker } from "../../bench/peers/js/web-worker.mjs";

describe("a page's worker in Node", () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  afterEach(async () => {
    // They are told in a turn of the event loop after the one that rejects.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(unhandled.splice(0)).toEqual([]);
  });

  const started = (script: string) => {
    const url = URL.createObjectURL(new Blob([script]));
    const worker = new WebWorker(url);
    URL.revokeObjectURL(url);
    return worker;
  };
  const next = (worker: WebWorker) =>
    new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = reject;
    });

  it("answers messages, though its address was revoked", async () => {
    const worker = started("self.onmessage = ({ data }) => self.postMessage(2 * data);");
    const answer = next(worker);
    worker.postMessage(21);
    expect(await answer).toBe(42);
    worker.terminate();
  });

  it("tells of a script that throws, and of a message that cannot be sent", async () => {
    const broken = started("throw new Error('no SIMD here');");
    await expect(next(broken)).rejects.toThrow("no SIMD here");
    const worker = started("self.onmessage = () => {};");
    const failure = next(worker);
    worker.postMessage(() => {});
    await expect(failure).rejects.toThrow("could not be cloned");
    worker.terminate();
  });

  it("tells once that it did not start, whatever it is asked then", async () => {
    const worker = new WebWorker("blob:nodedata:none");
    const errors: string[] = [];
    worker.onerror = ({ message }) => void errors.push(message);
    worker.postMessage(1);
    worker.terminate();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(errors).toEqual(["no blob behind blob:nodedata:none"]);
  });
});
