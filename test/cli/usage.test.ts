import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { badFiles } from "./bad-files.js";
import { consilium, consiliumProcess, goldenFolder, type Outcome, temporaryFolder } from "./support.js";

const folder = temporaryFolder();
const bad = await badFiles(folder);
const medMoe = fileURLToPath(new URL("../fixtures/med-moe/stablelm", import.meta.url));

/** Other tests run the command in a process of many commands: it is to say there what it says as users start it. */
describe("a process of its own says the same as one of many commands", () => {
  const tensors = join(goldenFolder, "miss_tiny.safetensors");
  test.concurrent.each<[string, string[], number, boolean, boolean]>([
    ["0: a result on standard output", ["info", tensors], 0, true, false],
    ["0: JSON on standard output, text on standard error", ["info", tensors, "--json", "-"], 0, true, true],
    ["1: an error of the library, its options named as flags", ["info", bad.nothing], 1, false, true],
    ["1: one with its stack", ["info", bad.list, "--debug"], 1, false, true],
    ["1: a failure that is printed as a result", ["data", "check", bad.emptyTable, "--json", "-"], 1, true, true],
    ["2: an unknown command", ["verfy"], 2, false, true],
    ["2: flags that exclude each other", ["eval", "miss", "x", "--shuffle-images", "--blank-images"], 2, false, true],
  ])("%s", async (_, args, code, onStdout, onStderr) => {
    const outcome = await consiliumProcess(args);
    expect(outcome).toMatchObject({ code, signal: null });
    expect([outcome.stdout !== "", outcome.stderr !== ""]).toEqual([onStdout, onStderr]);
    const stackless = ({ stderr, ...rest }: Outcome) => ({ ...rest, stderr: stderr.replace(/^ +at .*\n/gm, "") });
    expect(stackless(await consilium(args))).toEqual(stackless(outcome));
  });
});

describe("wrong usage exits with 2", () => {
  test.concurrent.each([
    ["an unknown flag, with the nearest", ["demo", "--fst"], "--fast"],
    ["an unknown flag of a subcommand", ["train", "miss", "--out", "x", "--epoch", "3"], "--epochs"],
    ["an unknown command, with the nearest", ["verfy"], "verify"],
    ["a device that does not exist", ["devices", "--device", "gpu"], "cpu, webgpu, cuda, reference, or cuda:1"],
    ["threads that are no count", ["devices", "--threads", "1.5"], "whole number"],
    ["negative threads", ["devices", "--threads", "-1"], "whole number"],
    ["more threads than any machine has", ["devices", "--threads", "1e9"], "1 to 1024"],
    ["an index of a device that has none", ["devices", "--device", "cpu:1"], '"cpu:1" is none: there is one cpu'],
    ["memory without a unit", ["devices", "--memory", "4"], "800MB, 4GB"],
    ["a value out of range", ["train", "miss", "--out", "x", "--batch", "-3"], "--batch"],
    [
      "a value that is no whole number",
      ["train", "miss", "--out", "x", "--epochs", "1.5"],
      "--epochs: It is a whole number.\n",
    ],
    [
      "a folder of images beside --set, which has its own",
      [
        "train",
        "med-moe",
        "--stage",
        "instruct",
        "--out",
        "x",
        "--model-path",
        "x",
        "--set",
        "organ",
        "--image-folder",
        "x",
      ],
      "--image-folder: with --set, images are those in the folder of VQA-RAD: name that by --data",
    ],
    [
      "a few images of files",
      ["train", "med-moe", "--stage", "instruct", "--out", "x", "--model-path", "x", "--data", "x.json", "--smoke"],
      "--smoke: only with --set",
    ],
    ["a negative time", ["train", "miss", "--out", "x", "--checkpoint-seconds", "-1"], "number from 0"],
    ["--resume where no run is", ["train", "miss", "--out", "no-run", "--resume"], "no-run holds no run to go on with"],
    ["--resume where no demo is", ["demo", "--out", "no-demo", "--resume"], "no-demo holds no demo to go on with"],
    ["a missing argument", ["verify"], "folder"],
    ["--out left out", ["train", "miss"], "--out"],
    ["controls that exclude each other", ["eval", "miss", "x", "--shuffle-images", "--blank-images"], "exclude"],
  ])("%s", async (_, args, named) => {
    const { code, stderr, stdout } = await consilium(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(named);
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});

describe("what cannot be done exits with 1 and one clear message", () => {
  const train = (...more: string[]) => ["train", "miss", "--out", join(folder, "run"), "--epochs", "1", ...more];
  const onCpu = (...more: string[]) =>
    train("--set", "organ-smoke", "--vocabulary", "reduced", "--device", "cpu", ...more);
  test.concurrent.each([
    ["a config that does not exist", train("--config", bad.nothing), [bad.nothing, "no such file", "--config"]],
    ["a config that is a folder", train("--config", bad.emptyFolder), ["it is a folder", "--config"]],
    ["a config that is not JSON", train("--config", bad.brokenJson), ["broken.json:2:12", "^"]],
    ["a config that is no object", train("--config", bad.list), ["list.json", "not a JSON object"]],
    ["a key that the config does not know", train("--config", bad.unknownKey), ["data.foldr", 'did you mean "folder"']],

    ["no data", train("--data", bad.nothing), ["organ.json", "no such file", "questions of the data set"]],
    ["data in an empty folder", train("--data", bad.emptyFolder), ["organ.json", "no such file"]],
    ["a file in the place of the data's folder", train("--data", bad.pickle), ["a part of its path is a file"]],
    ["JSON without its form", train("--data", bad.list), ["Say which form the JSON has (--form)"]],
    ["rows that are not JSON", train("--data", bad.rows("[{")), ["organ.json:1:3", "a key should be here"]],
    ["rows of another form", train("--data", bad.rows('[{"question": 3}]')), ["[0].image_name: missing", "[0].split"]],
    ["data without rows", train("--data", bad.rows("[]")), ['"organ" has no training question']],
    ["a missing image", train("--data", bad.images(null)), [`images/${bad.image} (row 0)`, "1 of "]],
    [
      "a truncated image",
      train("--data", bad.images("truncated")),
      [`images/${bad.image}: `, "not a readable image", "Copy it again"],
    ],
    [
      "an image that is none",
      train("--data", bad.images("text")),
      [`images/${bad.image} (row 0): not a readable image`],
    ],
    [
      "an image that is a folder",
      train("--data", bad.images("folder")),
      [`images/${bad.image} (row 0): not a readable image (it is a folder without DICOM files)`],
    ],

    ["--out below a file", train("--out", join(bad.list, "run")), ["run.json", "a part of its path is a file"]],
    ["--out where nothing can be made", train("--out", "/proc/none/run"), ["/proc/none/run/run.json"]],
    ["no checkpoint to start from", onCpu("--init", bad.nothing), [bad.nothing, "no such file", "model.safetensors"]],
    ["an image size that no patch divides", onCpu("--image-size", "65"), ["imageSize 65 is not a multiple of patch 8"]],
    [
      "a batch that does not fit",
      onCpu("--memory", "10MB"),
      ["matmul/forward", "of 9.5 MiB", "smaller batch", "--memory"],
    ],

    [
      "a model that does not exist",
      ["eval", "miss", bad.nothing],
      ["config.json", "no such file", "A model is a folder"],
    ],
    ["a model in an empty folder", ["eval", "miss", bad.emptyFolder], ["config.json", "no such file"]],
    ["a model that is a file", ["eval", "miss", bad.list], ["config.json", "a part of its path is a file"]],
    ["a model without vocabulary", ["eval", "miss", bad.model({ remove: "vocab.txt" })], ["vocab.txt", "no such file"]],
    [
      "a model without weights",
      ["eval", "miss", bad.model({ remove: "model.safetensors" })],
      ["holds one of model.safetensors"],
    ],
    ["a model's config that is not JSON", ["eval", "miss", bad.model({ config: () => "{" })], ["config.json:1:2"]],
    [
      "a model's config of another form",
      ["eval", "miss", bad.model({ config: () => "[]" })],
      ["config.json", "(top): [] is not a group of keys"],
    ],
    [
      "a model's config with an unknown key",
      ["eval", "miss", bad.model({ config: (text) => text.replace("imageSize", "imagesize") })],
      ["model.imageSize: missing", 'did you mean "imageSize"'],
    ],
    [
      "a model whose sizes do not divide",
      ["eval", "miss", bad.model({ config: (text) => text.replace('"heads": 2', '"heads": 3') })],
      ["hidden 8 is not a multiple of heads 3"],
    ],
    [
      "a model with another vocabulary",
      ["eval", "miss", bad.model({ config: (text) => text.replace(/"vocab": \d+/, '"vocab": 40') })],
      ["vocab.txt gives 7 pieces", "vocab is 40"],
    ],
    [
      "weights of another shape, all listed",
      ["eval", "miss", bad.model({ config: (text) => text.replace('"hidden": 8', '"hidden": 16') }), "--device", "cpu"],
      [/(\n {2}text_\S+: \[.*\] in the file, \[.*\] in the model){40}/],
    ],
    [
      "weights that are missing, all listed",
      ["eval", "miss", bad.model({ config: (text) => text.replace('"layers": 1', '"layers": 3') }), "--device", "cpu"],
      [/(\n {2}text_\S+: missing){80}/],
    ],
    [
      "a Med-MoE model",
      ["eval", "miss", medMoe],
      [
        /config\.json: it is that of a Med-MoE model, which is another family\. Ask it by .*`consilium eval med-moe`\n$/,
      ],
    ],
    [
      "a baseline that does not exist, found before the questions are answered",
      ["eval", "miss", bad.model({}), "--baseline", bad.nothing],
      [join(bad.nothing, "config.json")],
    ],

    ["no checkpoint", ["info", bad.nothing], [bad.nothing, "no such folder or file"]],
    ["an empty folder for a checkpoint", ["info", bad.emptyFolder], ["it is a folder", "model.safetensors"]],
    ["a checkpoint that is not one", ["info", bad.list], ["list.json", "neither a safetensors nor a PyTorch file"]],
    ["tensors that overlap", ["info", bad.safetensors([0, 8], [4, 12])], ['"b" starts at 4, inside tensor "a"']],
    ["tensors beyond the file", ["info", bad.safetensors([0, 8], [8, 16])], ['"b" ends at 16, but there are 12 bytes']],
    ["a pickle that asks for os.system", ["info", bad.pickle], ["pickle asks for posix.system", "would run code"]],

    ["no golden tensors", ["verify", bad.nothing], ["manifest.json", "no such file", "Golden tensors are a folder"]],
    ["a file for golden tensors", ["verify", bad.list], ["manifest.json", "a part of its path is a file"]],
    [
      "a scenario that does not exist",
      ["verify", goldenFolder, "--only", "everything", "--device", "reference"],
      ["there is no scenario everything"],
    ],
    ["a demo below a file", ["demo", "--fast", "--out", join(bad.list, "demo")], ["a part of its path is a file"]],
    ["--json that is a folder", ["devices", "--json", bad.emptyFolder], ["it is a folder. Name the file to write"]],
    ["--json below a file", ["bench", "matmul", "--json", join(bad.list, "x")], ["a part of its path is a file"]],
  ])("%s", async (_, args, named) => {
    const { code, stdout, stderr } = await consilium(args);
    expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: "" });
    for (const text of named) expect(stderr).toMatch(typeof text === "string" ? RegExp(escaped(text)) : text);
    expect(stderr.match(/^consilium: /gm)).toHaveLength(1);
    // No stack, no word of Node's or zod's.
    expect(stderr).not.toMatch(/\n\s+at |\bE[A-Z]{4,}\b|Invalid input|undefined/);
  });

  test("a pickle that asked for os.system ran nothing", () => expect(existsSync(bad.ran)).toBe(false));

  test("--json into a folder that does not exist makes it", async () => {
    const file = join(folder, "new", "folder", "devices.json");
    const { code } = await consilium(["devices", "--device", "reference", "--json", file]);
    expect(code).toBe(0);
    expect(JSON.parse(readFileSync(file, "utf8")).command).toBe("devices");
  });

  test("--debug shows where it came from", async () => {
    const { stderr } = await consilium(["info", join(folder, "list.json"), "--debug"]);
    expect(stderr).toMatch(/\n\s+at /);
  });
});

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
