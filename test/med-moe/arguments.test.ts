/** What plain JavaScript lets pass to a model is one clear error, before anything is read or computed. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, OptionError, openDevice } from "../../engine/index.js";
import { MedMoe } from "../../models/index.js";
import { speakingModel } from "./support.js";

const scratch = mkdtempSync(join(tmpdir(), "consilium-arguments-"));

let device: Device;
let model: MedMoe;
beforeAll(async () => {
  device = await openDevice("reference");
  model = await MedMoe.load(await speakingModel("stablelm", join(scratch, "stablelm")), { device });
});
afterAll(() => {
  model.dispose();
  device.close();
  rmSync(scratch, { recursive: true });
});

// biome-ignore lint/suspicious/noExplicitAny: as plain JavaScript calls it.
type Loose = any;
const load = (...given: unknown[]) => (MedMoe as Loose).load(...given) as Promise<MedMoe>;

test.each<[string, () => Promise<MedMoe>, string]>([
  ["no options", () => load("x"), "the second argument, { device }, is needed, not nothing."],
  ["no device", () => load("x", {}), 'a device is needed, as `await openDevice("cpu")` opens it, not nothing.'],
  ["a device by its name", () => load("x", { device: "cpu" }), "not a string."],
  ["a device alone", () => load("x", device), "a device is needed"],
  ["no folder", () => load({ device }), "the model's folder, a path, is needed, not an object."],
  [
    "an option misspelt",
    () => load("x", { device, topk: 2 }),
    'unknown option "topk". Did you mean "topK"? Known: device,',
  ],
])("MedMoe.load with %s", async (_, given, message) => {
  await expect(given()).rejects.toThrow(OptionError);
  await expect(given()).rejects.toThrow("MedMoe.load: ");
  await expect(given()).rejects.toThrow(message);
});

const said = { role: "user", text: "why" };
test.each<[string, unknown[], string]>([
  ["a text", ["why"], 'a list of messages, [{ role: "user", text }], is needed, not a string.'],
  ["nothing", [], "a list of messages"],
  ["texts", [["why"]], 'message 1 is no { role: "user" or "assistant", text: "..." }.'],
  ["another role", [[said, { role: "system", text: "x" }]], "message 2 is no"],
  [
    "one image without a list",
    [[said], { images: "a.jpg" }],
    "a list of images, also of one alone, is needed, not a string.",
  ],
  [
    "an option misspelt",
    [[said], { max_new_tokens: 3 }],
    'unknown option "max_new_tokens". Did you mean "maxNewTokens"?',
  ],
])("chat with %s", async (_, given, message) => {
  const asked = () => (model.chat as Loose).apply(model, given).next();
  await expect(asked()).rejects.toThrow(OptionError);
  await expect(asked()).rejects.toThrow("chat: ");
  await expect(asked()).rejects.toThrow(message);
});
