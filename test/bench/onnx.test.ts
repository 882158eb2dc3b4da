import { describe, expect, it } from "vitest";
import { onnxModel } from "../../bench/onnx/model.js";
import { encode, float, integer, message, text } from "../../bench/onnx/protobuf.js";
import { tasksOf } from "../../bench/suites/index.js";
import { groupedTask } from "./expert-tasks.js";
import { agrees, inputsOf, running } from "./support.js";

describe("protobuf", () => {
  it("writes the bytes of the wire format", () => {
    // The examples of protobuf.dev/programming-guides/encoding.
    expect([...encode([integer(1, 150)])]).toEqual([0x08, 0x96, 0x01]);
    expect([...encode([text(2, "testing")])]).toEqual([0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]);
    expect([...encode([message(3, [integer(1, 150)])])]).toEqual([0x1a, 0x03, 0x08, 0x96, 0x01]);
    expect([...encode([float(2, 1)])]).toEqual([0x15, 0, 0, 0x80, 0x3f]);
    expect([...encode([integer(20, 2 ** 35)])]).toEqual([0xa0, 0x01, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]);
    expect(() => integer(1, -1)).toThrow("protobuf: -1 is not a whole number from 0 on");
  });

  it("puts weights into a model as they are", () => {
    const weights = { w: { shape: [2], values: Float32Array.of(1, 2) } };
    const node = { op: "Add", inputs: ["x", "w"], outputs: ["y"] };
    const model = onnxModel({ nodes: [node], inputs: { x: { shape: [2] } }, outputs: { y: [2] }, constants: weights });
    const raw = [0x4a, 8, 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40];
    expect(Buffer.from(model).includes(Buffer.from(raw))).toBe(true);
  });
});

describe("onnxruntime-node", () => {
  it.for([
    ["ort", "matmul", "5x7x33,5x7x33:linear,5x7x33:linear:gelu"],
    ["ort-const", "matmul", "5x7x33,5x7x33:linear,5x7x33:linear:gelu"],
    [
      "ort",
      "attention",
      "B2H3S17D16,B2H3S17D16:causal,B2H3L5S17D16,B1H3L1S17D16:causal,B2H3S17D16:packed,B2H4G2S17D16:causal,B1H4G2L1S17D16",
    ],
    ["ort-const", "lora", "6x33x17x4"],
    ["ort", "layer-norm", "7x33"],
    ["ort-const", "moe", "9x16x24x4x2"],
  ] as const)("%s computes what we compute: %s %s", async ([name, suite, shapes], { skip }) => {
    const forwards = tasksOf(suite, { shapes }).tasks.filter((task) => task.pass === "forward");
    await agrees(name, forwards, skip);
  });

  it("attends by both operators, to grouped keys by the one that has them", async ({ skip }) => {
    const peer = await running("ort", skip);
    const forms = async (shapes: string) => {
      const [task] = tasksOf("attention", { shapes, pass: "forward" }).tasks;
      return (await peer.prepare(task, await inputsOf(task))).map(({ form }) => form);
    };
    expect(await forms("B1H2S8D16")).toEqual(["MultiHeadAttention", "Attention"]);
    expect(await forms("B1H4G2S8D16")).toEqual(["Attention"]);
    await expect(forms("B1H2L3S8D16:causal")).rejects.toThrow(
      "onnxruntime has no causal mask for queries that are the last of the keys",
    );
  });

  it("copies weights that are in the model where that takes no threads, and says where it does not", async ({
    skip,
  }) => {
    const [task] = tasksOf("matmul", { shapes: "5x7x33:linear" }).tasks;
    const inputs = await inputsOf(task);
    const notes: (string | undefined)[] = [];
    for (const [threads, copies] of [
      [1, 3],
      [2, 3],
      [2, 1],
    ]) {
      const peer = await running("ort-const", skip, { threads });
      const [{ contender, note }] = await peer.prepare(task, inputs, copies);
      notes.push(note);
      await contender.release();
    }
    expect(notes).toEqual([undefined, "its weights stay in caches", undefined]);
  });

  it.for(["ort", "ort-const"] as const)("%s multiplies rows by expert", async (name, { skip }) => {
    await agrees(name, [groupedTask("gather", "forward"), groupedTask("grouped", "forward", false)], skip);
  });
});
