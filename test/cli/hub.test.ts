import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { io } from "../../engine/index.js";
import { readAll } from "../../models/golden/read.js";
import { TOWER_PREFIX } from "../../models/med-moe/folder/names.js";
import { breaking, FakeHub, ranged } from "../hub/serve.js";
import { goldenMedMoe, imageFile, speakingModel } from "../med-moe/support.js";
import { tryOpen } from "../support/devices.js";
import { consilium, consiliumProcess, temporaryFolder } from "./support.js";

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

/** The model without its tower, which it names as one on the hub; the tower beside it, in `FOLDER-clip`. */
async function seeingByName(to: string): Promise<void> {
  const from = path("stage3");
  cpSync(from, to, { recursive: true });
  rmSync(join(to, "vision_tower"), { recursive: true });
  cpSync(join(from, "vision_tower"), `${to}-clip`, { recursive: true });
  const json = JSON.parse(readFileSync(join(to, "config.json"), "utf8"));
  writeFileSync(join(to, "config.json"), JSON.stringify({ ...json, mm_image_tower: "JsST/Med-MoE" }));
  const own: io.WritableTensor[] = [];
  const tower: io.WritableTensor[] = [];
  for (const [name, { shape, values }] of await readAll(from)) {
    const isTower = name.startsWith(TOWER_PREFIX);
    const stored = io.writable(
      isTower ? name.slice(TOWER_PREFIX.length) : name,
      shape,
      Float32Array.from(values),
      "F32",
    );
    (isTower ? tower : own).push(stored);
  }
  await io.writeSafetensors(join(to, "model.safetensors"), own);
  await io.writeSafetensors(join(`${to}-clip`, "model.safetensors"), tower);
}
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
const run = async (args: readonly string[], start = consilium) => {
  const { code, stdout, stderr } = await start(args);
  expect(code, stderr).toBe(0);
  return { stdout, stderr };
};
const fails = async (args: readonly string[]) => {
  const { code, stdout, stderr } = await consilium(args);
  expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: "" });
  return stderr;
};
let outputs = 0;
/** A command that needs the weights. */
const weighs = (name: string, ...more: string[]) => [
  ...["convert", name, "--to", "bf16", "--out", path(`converted-${outputs++}`), ...more],
];
const fetched = () => hub.requests.filter((url) => url.includes("/resolve/"));

describe("models by their name on a hub", () => {
  test(
    "nothing is there yet: --offline says so; a wrong hash and a hub that breaks off leave nothing that passes for it",
    async () => {
      expect(await fails(weighs(NAME, "--offline"))).toContain(
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
      expect(await fails(weighs(NAME))).toMatch(
        /model\.safetensors: its hash is [0-9a-f]{64}, the hub lists [0-9a-f]{64}: what came is not the file and was removed/,
      );
      expect(await fails(weighs(NAME, "--offline"))).toContain("it is not in the cache");

      // Each answer brings less than the last asked for: it is given up at some time, and goes on with the next start.
      hub.give = (_, response) => void response.destroy();
      expect(await fails(weighs(NAME))).toMatch(/it cannot be reached|the download broke off after \d+ of \d+ bytes/);
      hub.give = breaking(2, 60_000);
      const { stderr } = await run(weighs(NAME));
      expect(fetched().some((url) => / bytes=\d+-$/.test(url))).toBe(true);
      expect(stderr).toMatch(/JsST\/Med-MoE\/stage3: 1\/1 MB/);
      hub.requests = [];
      // What is in the cache is looked at there.
      expect((await run(["info", NAME, "--offline"])).stdout).toContain("model: Med-MoE, family stablelm, stage moe\n");
      expect(hub.requests).toEqual([]);
      expect(existsSync(join(cache, "JsST/Med-MoE", hub.commit, "stage3/trainer_state.json"))).toBe(false);
    },
    TIMEOUT,
  );

  test(
    "info of what is not in the cache: settings and headers are read, weights stay where they are",
    async () => {
      hub.addFolder(path("stage3"), "seen");
      const { name, stdout } = { name: "JsST/Med-MoE/seen", ...(await run(["info", "JsST/Med-MoE/seen"])) };
      const here = await run(["info", path("stage3")]);
      const lines = (text: string) => text.split("\n").filter((line) => !line.includes("safetensors"));
      expect(lines(stdout)).toEqual(lines(here.stdout));
      const parts = fetched().map((url) => url.replace(/^.*\/seen\//, ""));
      expect(parts.filter((part) => !part.includes(" bytes=")).sort()).toEqual([
        "config.json",
        "vision_tower/config.json",
      ]);
      const { length } = hub.files["seen/model.safetensors"];
      const ranges = parts.flatMap((part) => /^model\.safetensors bytes=(\d+)-(\d+)$/.exec(part)?.slice(1) ?? []);
      expect(ranges.length).toBeGreaterThan(0);
      for (const end of ranges.map(Number)) expect(end).toBeLessThan(length / 4);
      expect(existsSync(join(cache, "JsST/Med-MoE", hub.commit, "seen/model.safetensors"))).toBe(false);
      // The model is not there: only commands that need it fetch it.
      expect(await fails(weighs(name, "--offline"))).toContain("it is not in the cache");

      hub.give = (_, response, bytes) => void response.end(bytes);
      expect(await fails(["info", name])).toContain(
        "model.safetensors: cannot be opened: the server gives files whole, not in parts",
      );
    },
    TIMEOUT,
  );

  test(
    "two processes at once: one fetches, the other waits; both are answered",
    async () => {
      hub.addFolder(path("stage3"), "twin");
      hub.give = (request, response, bytes) => void setTimeout(() => ranged(request, response, bytes), 200);
      await Promise.all([0, 1].map(() => run(weighs("JsST/Med-MoE/twin"), consiliumProcess)));
      expect(new Set(fetched()).size).toBe(fetched().length);
      const here = join(cache, "JsST/Med-MoE", hub.commit, "twin");
      for (const name of ["model.safetensors", "vision_tower/config.json"])
        expect(readFileSync(join(here, name))).toEqual(readFileSync(path("stage3", name)));
      expect(readdirSync(here).filter((name) => /\.(lock|part)$/.test(name))).toEqual([]);
    },
    TIMEOUT,
  );

  test(
    "eval: model and router, answers as those of the folders, the commit in its settings; again --offline",
    async () => {
      const router = ["--router", "JsST/Med-MoE/stablelm_router.pth"];
      const { stdout } = await run(evaluation("hub.jsonl", ...router, "--json", "-"));
      const { config } = JSON.parse(stdout);
      // Of a hub the commit says what it is, whenever its files were fetched.
      expect(JSON.parse(readFileSync(path("hub.jsonl.settings.json"), "utf8")).weights).toEqual({});
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

  test(
    "a tower that config.json names on the hub and the model lacks comes along",
    async () => {
      await seeingByName(path("by-name"));
      const listed = [...hub.listed];
      hub.addFolder(path("by-name"), "by-name");
      // The tower's repository is the same one here.
      for (const name of ["config.json", "model.safetensors"]) hub.add(name, readFileSync(path("by-name-clip", name)));
      const ask = (...more: string[]) => [
        ...evaluation("tower.jsonl", "--model-path", "JsST/Med-MoE/by-name"),
        ...more,
      ];
      const missing = await fails(ask("--offline"));
      expect(missing).toContain("of a hub it is not in the cache");
      await run(weighs("JsST/Med-MoE/by-name"));
      expect(await fails(ask("--offline"))).toContain(
        "JsST/Med-MoE/by-name: its vision tower is JsST/Med-MoE, which cannot be had: JsST/Med-MoE@main: there is no such folder or file, and of a hub it is not in the cache",
      );
      const { stdout } = await run(ask("--json", "-"));
      expect(JSON.parse(stdout).config.tower).toBe(`JsST/Med-MoE@${hub.commit}`);
      const here = ["--model-path", path("stage3")];
      await run(evaluation("tower-here.jsonl", ...here));
      const texts = (file: string) =>
        readFileSync(path(file), "utf8")
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line).text);
      expect(texts("tower.jsonl")).toEqual(texts("tower-here.jsonl"));
      hub.listed = listed;
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
