import { cpSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Device, io, nn, OptionError, openDevice } from "../../engine/index.js";
import { HostRandom } from "../../engine/random.js";
import { MissVqa, openState, RunConfig, type RunConfigInput, type TrainEvent } from "../../models/index.js";
import { readModelFolder } from "../../models/miss/model-folder.js";
import { MissNetwork } from "../../models/miss/network.js";
import { startingNetwork } from "../../models/miss/train.js";
import { atStep, missRuns } from "./runs.js";
import { organSmoke, radiograph } from "./support.js";

/** Steps of an epoch: 42 questions, 16 a step. */
const PER_EPOCH = 3;
let device: Device;
const { path, train, sameFiles } = missRuns(() => device);

beforeAll(async () => {
  device = await openDevice("cpu");
  const whole = await train("whole");
  expect(whole).toMatchObject({ interrupted: false, steps: 2 * PER_EPOCH, resumedAt: 0 });
  expect(whole.validations.map((v) => v.epoch)).toEqual([1, 2]);
});
afterAll(() => device.close());

describe("a run that stops where an epoch ends validates when it goes on, and ends in the same bits", () => {
  test.each([
    ["after the last step of the first epoch", PER_EPOCH, []],
    ["after the last step of all", 2 * PER_EPOCH, [1]],
  ])("stopped %s", async (name, steps, validated) => {
    const stopped = await train(name, { stop: atStep(steps) });
    expect(stopped).toMatchObject({ interrupted: true, steps });
    expect(stopped.validations.map((v) => v.epoch)).toEqual(validated);
    if (validated.length === 0)
      await expect(MissVqa.load(path(name), { device })).rejects.toThrow(
        /its training is not finished.*Go on with: npx consilium train miss --out .* --resume/,
      );
    expect(await train(name, { resume: true })).toMatchObject({ interrupted: false, resumedAt: steps });
    sameFiles(name, "whole");
  });

  test.each([1, 2])("killed before validation %i: the state on disk has it still to do", async (epoch) => {
    const [running, killed] = [`running${epoch}`, `killed${epoch}`];
    await train(running, {
      stop: (event) => {
        const ended = event.type === "saved" && event.step === epoch * PER_EPOCH;
        if (ended && !existsSync(path(killed))) cpSync(path(running), path(killed), { recursive: true });
        return false;
      },
    });
    const { state, reader } = await openState(path(killed));
    await reader.close();
    expect(state).toMatchObject({ epoch, position: 0, finished: false });
    expect(state.validations).toHaveLength(epoch - 1);
    await train(killed, { resume: true });
    sameFiles(killed, "whole");
  });

  test("stopped while it validates", async () => {
    const stopped = await train("validating", { stop: (e) => e.type === "saved" && e.step === PER_EPOCH });
    expect(stopped).toMatchObject({ interrupted: true, steps: PER_EPOCH, validations: [] });
    await train("validating", { resume: true });
    sameFiles("validating", "whole");
  });
});

test("without validation the last weights are the model; a question to it can be stopped", async () => {
  await train("unvalidated", { change: { validation: 0, epochs: 1 } });
  using model = await MissVqa.load(path("unvalidated"), { device });
  expect(model.loaded).toEqual({ interpolated: false, unused: [], disagreeing: [], missing: [], skipped: [] });

  const stop = new AbortController();
  const asked = model.answer(radiograph, "What is it?", { signal: stop.signal });
  stop.abort(new Error("enough"));
  await expect(asked).rejects.toThrow("enough");
  expect((await model.answer(radiograph, "What is it?")).probability).toBeGreaterThan(0);
});

test("vision blocks computed twice: the same bits in less memory", async () => {
  const peaks: number[] = [];
  const histories: unknown[] = [];
  for (const checkpointBlocks of [0, 4]) {
    device.pool.resetPeak();
    const { history } = await train(`blocks${checkpointBlocks}`, {
      change: { checkpointBlocks, validation: 0, epochs: 1, batch: 60 },
    });
    peaks.push(device.memory().peak);
    histories.push(history);
  }
  expect(histories[1]).toEqual(histories[0]);
  expect(peaks[1]).toBeLessThan(0.8 * peaks[0]);
});

test("going on with another instruction set is said; on the same one nothing is", async () => {
  const warnings: string[] = [];
  const hear = (event: TrainEvent) => {
    if (event.type === "warning") warnings.push(event.text);
    return false;
  };
  await train("moved", { stop: atStep(2) });
  cpSync(path("moved"), path("stayed"), { recursive: true });
  await train("stayed", { resume: true, stop: hear });
  expect(warnings).toEqual([]);
  using other = await openDevice("cpu", { threads: 1 });
  Object.defineProperty(other, "target", { value: "another" });
  await train("moved", { resume: true, on: other, stop: hear });
  expect(warnings).toEqual([expect.stringContaining(`was computed on cpu (${device.target}), this is cpu (another)`)]);
});

test("weights that a step has spoilt replace no checkpoint, though its own loss was fine", async () => {
  const diverging = train("wild", { checkpointSeconds: 0, change: { lr: 1e30, schedule: "step" } });
  await expect(diverging).rejects.toThrow(/train: .* Use a smaller `lr` or `clipNorm`\./);
  expect(existsSync(join(path("wild"), "last.safetensors"))).toBe(false);
});

test("of a start, only what its file lacks is drawn, and has the bits that it has without a file", async () => {
  const lacking = ["text_decoder.cls.predictions.transform.dense.weight", "visual_encoder.blocks.0.norm1.weight"];
  await using reader = await io.openCheckpoint(path("whole/model.safetensors"));
  const kept = reader.names.filter((name) => !lacking.includes(name)).map((name) => reader.get(name));
  const init = path("lacking.safetensors");
  await io.writeSafetensors(
    init,
    await Promise.all(
      kept.map(async (t) =>
        io.writable(t.name, t.shape, t.dtype === "F32" ? await io.readFloat32(t) : await io.readInt32(t), t.dtype),
      ),
    ),
  );
  const folder = await readModelFolder(path("whole"));
  const config = RunConfig.parse({ ...organSmoke, init });
  const initializer = () => new nn.Initializer(device, config.seed);

  using whole = new MissNetwork(initializer(), folder.config);
  const drawn = new Map(whole.namedParameters());
  const normal = vi.spyOn(HostRandom.prototype, "normal");
  using network = await startingNetwork(config, folder, initializer(), false, undefined);
  expect(normal).toHaveBeenCalledTimes(drawn.get(lacking[0])?.size ?? 0);
  normal.mockRestore();
  for (const [name, p] of network.namedParameters()) {
    const expected = lacking.includes(name) ? await drawn.get(name)?.data() : await io.readFloat32(reader.get(name));
    expect(await p.data(), name).toEqual(expected);
  }
});

describe("what a run is told of its start", () => {
  const heard = async (name: string, change: Partial<RunConfigInput>) => {
    const warnings: string[] = [];
    await train(name, {
      change: { scaling: "ordinary", epochs: 1, validation: 0, ...change },
      stop: (event) => {
        if (event.type === "warning") warnings.push(event.text);
        return event.type === "ready";
      },
    });
    return warnings;
  };

  test("it saw other pixel values; nothing where it saw the same", async () => {
    expect(await heard("same-pixels", { init: path("whole") })).toEqual([]);
    expect(await heard("other-pixels", { init: path("whole"), scaling: "published" })).toEqual([
      `${path("whole")} was trained with --scaling ordinary, this run has --scaling published: what it knows of images may not help.`,
    ]);
  });

  test("its adapters are left behind; merging is advised of those that can be merged", async () => {
    const init = path("adapted");
    await train("adapted", {
      change: { epochs: 1, validation: 0, adaptation: { vit: "F", jtm: "F", dec: "prefix" } },
    });
    const beside = `${init} has adapters of text_decoder beside its weights: the run starts from the weights without them.`;
    expect(await heard("without-prefix", { init })).toEqual([beside]);
    const lora = { peft_type: "LORA", r: 4, lora_alpha: 8, target_modules: ["query"] };
    writeFileSync(join(init, "adapter/text_decoder/adapter_config.json"), JSON.stringify(lora));
    expect(await heard("without-lora", { init })).toEqual([
      `${beside} They can be folded in first: consilium adapter merge.`,
    ]);
    rmSync(join(init, "adapter"), { recursive: true });
    expect(await heard("without-any", { init })).toEqual([beside]);
  });
});

test("bf16 on webgpu is refused, with what to use", async () => {
  using webgpu = await openDevice("reference");
  Object.defineProperty(webgpu, "name", { value: "webgpu" });
  await expect(train("bf16", { on: webgpu, change: { precision: "bf16" } })).rejects.toThrow(
    new OptionError("precision bf16: webgpu multiplies in f32 and f16 only. Use f16, or the cpu device."),
  );
  expect(existsSync(path("bf16"))).toBe(false);
});
