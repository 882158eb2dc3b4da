import { join } from "node:path";
import { expect, test } from "vitest";
import { imageFile, speakingModel } from "../med-moe/support.js";
import { consilium, goldenFolder, temporaryFolder } from "./support.js";

test("chat on cuda says what the reference device says", async () => {
  const model = await speakingModel("stablelm", join(temporaryFolder(), "stablelm"));
  const asked = (device: string) => [
    ...["chat", "--model-path", model, "--image-file", imageFile("synpic100132.jpg"), "--message", "Is it normal?"],
    ...["--max-new-tokens", "4", "--temperature", "0", "--json", "-", "--device", device],
  ];
  const [cuda, reference] = await Promise.all(["cuda", "reference"].map((device) => consilium(asked(device))));
  expect(cuda.code, cuda.stderr).toBe(0);
  const { device, turns } = JSON.parse(cuda.stdout);
  expect(device.name).toBe("cuda");
  expect(turns).toHaveLength(1);
  const answer = (stdout: string) => JSON.parse(stdout).turns.map((turn: { answer: string }) => turn.answer);
  expect(answer(cuda.stdout)).toEqual(answer(reference.stdout));
  expect(turns[0].tokens).toBe(4);
}, 60_000);

test("verify on cuda: golden tensors of routing and of a layer", async () => {
  const folder = join(goldenFolder, "../med-moe");
  const { code, stdout, stderr } = await consilium([
    ...["verify", folder, "--only", "gating,moe_layer", "--device", "cuda", "--json", "-"],
  ]);
  expect(code, stderr).toBe(0);
  const { passed, rows } = JSON.parse(stdout);
  expect(passed).toBe(true);
  expect(new Set(rows.map((row: { scenario: string }) => row.scenario))).toEqual(new Set(["gating", "moe_layer"]));
}, 60_000);
