import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { breaking, FakeHub, ranged } from "../hub/serve.js";
import { goldenMedMoe, imageFile, speakingModel } from "../med-moe/support.js";
import { tryOpen } from "../support/devices.js";
import { consilium, temporaryFolder } from "./support.js";

const TIMEOUT = 240_000;
const folder = temporaryFolder();
const path = (...names: string[]) => join(folder, ...names);
const { device, reason } = await tryOpen("cpu", {});
device?.close();
const images = dirname(imageFile("any"));
const cache = path("cache");
let hub: FakeHub;

const question = {
  id: "1",
  image: "synpic100132.jpg",
  modality: "CT",
  answer_type: "CLOSED",
  conversations: [
    { from: "human", value: "<image>\nIs there a fracture?" },
    { from: "gpt", value: "no" },
  ],
};
const other = { ...question, id: "2", image: "synpic100176.jpg", modality: "MRI" };

/** A hub with a model as it is released: stages in folders, shards, what a trainer left, routers beside. */
beforeAll(async () => {
  writeFileSync(path("questions.json"), JSON.stringify([question, other]));
  await speakingModel("stablelm", path("stage3"));
  hub = await FakeHub.open("JsST/Med-MoE");
  hub.addFolder(path("stage3"), "stage3");
  hub.add("stage3/trainer_state.json", Buffer.from("{}"));
  hub.add("stablelm_router.pth", readFileSync(join(goldenMedMoe, "stablelm/router.pth")));
  hub.add("phi_router.pth", readFileSync(join(goldenMedMoe, "phi/router.pth")));
  process.env.HF_ENDPOINT = hub.host;
  process.env.CONSILIUM_CACHE = cache;
}, TIMEOUT);
afterAll(() => hub.close());
beforeEach(() => {
  hub.requests = [];
  hub.give = ranged;
});

const NAME = "JsST/Med-MoE/stage3";
const evaluation = (answers: string, ...more: string[]) => [
  ...["eval", "med-moe", "--model-path", NAME, "--conv-mode", "stablelm", "--question-file", path("questions.json")],
  ...[
    "--image-folder",
    images,
    "--answers-file",
    path(answers),
    "--max-new-tokens",
    "3",
    "--device",
    "reference",
    ...more,
  ],
];
const run = async (args: readonly string[]) => {
  const { code, stdout, stderr } = await consilium(args);
  expect(code, stderr).toBe(0);
  return { stdout, stderr };
};
const fails = async (args: readonly string[]) => {
  const { code, stdout, stderr } = await consilium(args);
  expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: "" });
  return stderr;
};
const fetched = () => hub.requests.filter((url) => url.includes("/resolve/"));

describe("models by their name on a hub", () => {
  test(
    "nothing is there yet: --offline says so; a wrong hash and a hub that breaks off leave nothing that passes for it",
    async () => {
      expect(await fails(["info", NAME, "--offline"])).toContain(
        `${NAME}@main: there is no such folder or file, and of a hub it is not in the cache (${cache}/JsST/Med-MoE). Fetch it once without --offline`,
      );
      expect(hub.requests).toEqual([]);

      const file = "stage3/model.safetensors";
      hub.give = (request, response, bytes) =>
        ranged(
          request,
          response,
          bytes === hub.files[file] ? Buffer.from(bytes.map((b, i) => (i === 99 ? b ^ 1 : b))) : bytes,
        );
      expect(await fails(["info", NAME])).toMatch(
        /model\.safetensors: its hash is [0-9a-f]{64}, the hub lists [0-9a-f]{64}: what came is not the file and was removed/,
      );
      expect(await fails(["info", NAME, "--offline"])).toContain("it is not in the cache");

      // Each answer brings less than the last asked for: it is given up at some time, and goes on with the next start.
      hub.give = (_, response) => void response.destroy();
      expect(await fails(["info", NAME])).toMatch(/it cannot be reached|the download broke off after \d+ of \d+ bytes/);
      hub.give = breaking(2, 60_000);
      const { stdout, stderr } = await run(["info", NAME]);
      expect(fetched().some((url) => / bytes=\d+-$/.test(url))).toBe(true);
      expect(stderr).toMatch(/JsST\/Med-MoE\/stage3: 1\/1 MB/);
      expect(stdout).toContain("model: Med-MoE, family stablelm, stage moe\n");
      const [, counts] = /(parameters: .*)/.exec(stdout) ?? [];
      expect((await run(["info", path("stage3")])).stdout).toContain(counts);
      expect(existsSync(join(cache, "JsST/Med-MoE", hub.commit, "stage3/trainer_state.json"))).toBe(false);
    },
    TIMEOUT,
  );

  test(
    "eval: model and router, answers as those of the folders, the commit in its settings; again --offline",
    async () => {
      const router = ["--router", "JsST/Med-MoE/stablelm_router.pth"];
      const { stdout } = await run(evaluation("hub.jsonl", ...router, "--json", "-"));
      const { config } = JSON.parse(stdout);
      expect(config).toMatchObject({
        model: `${NAME}@${hub.commit}`,
        router: `JsST/Med-MoE/stablelm_router.pth@${hub.commit}`,
      });
      const here = ["--model-path", path("stage3"), "--router", join(goldenMedMoe, "stablelm/router.pth")];
      await run(evaluation("here.jsonl", ...here));
      expect(readFileSync(path("hub.jsonl"), "utf8")).toBe(readFileSync(path("here.jsonl"), "utf8"));
      expect(readFileSync(path("hub.jsonl"), "utf8")).toContain('"model_id":"stage3"');

      hub.requests = [];
      const again = await run(evaluation("hub.jsonl", ...router, "--offline"));
      expect(again.stderr).toContain("2 of 2 questions have answers already");
      expect(hub.requests).toEqual([]);
      expect(await fails(evaluation("none.jsonl", "--router", "JsST/Med-MoE/phi_router.pth", "--offline"))).toContain(
        "JsST/Med-MoE/phi_router.pth@main: there is no such folder or file, and of a hub it is not in the cache",
      );
      expect(await fails(evaluation("none.jsonl", "--router", "JsST/Med-MoE/phi_router.pth"))).toContain(
        "fc1.weight is [4, 40]; the mixtures of this model need [4, 32]",
      );
    },
    TIMEOUT,
  );

  test("convert", async () => {
    await run(["convert", `${NAME}@${hub.commit}`, "--to", "bf16", "--out", path("bf16")]);
    // The commit is in the cache: nothing to ask.
    expect(hub.requests).toEqual([]);
    expect((await run(["info", path("bf16")])).stdout).toContain("BF16");
  });

  test.skipIf(!device)(
    `train, and its settings find the same files again${reason}`,
    async () => {
      const data = ["--data", path("questions.json"), "--image-folder", images];
      await run([
        "init",
        "med-moe",
        "--backbone",
        "tiny",
        "--dense",
        "--data",
        path("questions.json"),
        "--out",
        path("stage2"),
      ]);
      hub.addFolder(path("stage2"), "stage2");
      const router = ["--stage", "router", "--model-path", "JsST/Med-MoE/stage2", ...data, "--epochs", "1"];
      await run(["train", "med-moe", ...router, "--out", path("router"), "--device", "cpu"]);
      const { model } = JSON.parse(readFileSync(path("router/run.json"), "utf8"));
      expect(model).toBe(`JsST/Med-MoE/stage2@${hub.commit}`);
      rmSync(path("router/router.pth"));
      await run(["train", "med-moe", "--out", path("router"), "--resume", "--offline", "--device", "cpu"]);
      expect(existsSync(path("router/router.pth"))).toBe(true);
    },
    TIMEOUT,
  );

  test("what the hub does not have", async () => {
    expect(await fails(["info", "JsST/TinyMed/Stage1"])).toMatch(
      /JsST\/TinyMed\/Stage1: there is no such folder or file, and as a name on a hub: http.*: the hub has no such model, revision or file \(404\)/,
    );
    expect(await fails(["info", "JsST/Med-MoE"])).toContain(
      "it holds no model (no config.json). Models are in JsST/Med-MoE/stage3",
    );
  });
});
