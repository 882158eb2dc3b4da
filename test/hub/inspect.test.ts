import { join } from "node:path";
import { expect, test } from "vitest";
import { inspectModel } from "../../apps/hub/inspect.js";
import type { Handler } from "./serve.js";
import { config, HubAndCache, NAME, weights } from "./support.js";

const hub = new HubAndCache();

/** The weights, which stay on the hub. */
async function remoteWeights() {
  const { path, files } = await inspectModel(NAME, {}, hub.env);
  return files.openFile(join(path, "model.safetensors"));
}

/** A part of a body, under a header that says what `said` does. */
const giving =
  (part: (bytes: Buffer) => Buffer, said = (range: string, total: number) => `${range}/${total}`): Handler =>
  ({ headers }, response, bytes) => {
    if (!headers.range) return void response.end(bytes);
    response.writeHead(206, { "content-range": said(headers.range.replace("=", " "), bytes.length) });
    response.end(part(bytes));
  };

test("a part of a file is what was asked for", async () => {
  const file = await remoteWeights();
  expect(file.size).toBe(weights.length);
  expect(Buffer.from(await file.read(1000, 50))).toEqual(weights.subarray(1000, 1050));
  expect(Buffer.from(await file.read(weights.length - 1, 1))).toEqual(weights.subarray(-1));
});

test("settings are on this machine", async () => {
  const { path, files } = await inspectModel(NAME, {}, hub.env);
  const file = await files.openFile(join(path, "config.json"));
  expect(Buffer.from(await file.read(0, file.size))).toEqual(config);
  await file.close();
});

test.each<[string, Handler, string]>([
  ["less", giving((bytes) => bytes.subarray(0, 10)), "the transfer broke off after 10 of 50 bytes. Try again"],
  ["more", giving((bytes) => bytes), "the server gives more than the 50 bytes that it was asked for"],
  ["whole", (_, response, bytes) => void response.end(bytes), "the server gives files whole, not in parts"],
  [
    "of other bytes",
    giving(
      (bytes) => bytes.subarray(0, 50),
      (_, total) => `bytes 0-49/${total}`,
    ),
    "the server gives files whole, not in parts",
  ],
  [
    "of a file of another size",
    giving(
      (bytes) => bytes.subarray(0, 50),
      (range) => `${range}/12`,
    ),
    `the server has 12 bytes of it, the hub lists ${weights.length}`,
  ],
])("a server that gives %s is refused", async (_, give, text) => {
  const file = await remoteWeights();
  hub.fake.give = give;
  await expect(file.read(1000, 50)).rejects.toThrow(`model.safetensors: ${text}`);
});

test("a part that is no header is never asked for", async () => {
  const file = await remoteWeights();
  hub.fake.requests = [];
  await expect(file.read(0, 128e6 + 1)).rejects.toThrow(
    "a part of 128000001 bytes is no header: the file is damaged, or of another format",
  );
  expect(hub.fake.requests).toEqual([]);
});
