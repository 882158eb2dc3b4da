import { describe, expect, it } from "vitest";
import { tasksOf } from "../../bench/suites/index.js";

describe("--shapes", () => {
  it.each(["matmul", "attention", "lora"] as const)("%s reads what it prints", (suite) => {
    const own = tasksOf(suite);
    expect(own.length).toBeGreaterThan(1);
    const again = tasksOf(suite, [...new Set(own.map((t) => t.shape))].join(","));
    const facts = (tasks: typeof own) =>
      tasks.map(({ op, pass, shape, flops, bytes, options }) => ({ op, pass, shape, flops, bytes, options }));
    expect(facts(again)).toEqual(facts(own));
  });

  it.each([
    ["matmul", "64x64", 'bench matmul: shape "64x64" is not of the form MxNxK'],
    ["matmul", "64x64x64,", 'bench matmul: shape "" is not of the form'],
    ["matmul", "64x0x64", 'bench matmul: N of shape "64x0x64" is 0.'],
    ["matmul", "64x64x64:gelu", "with :linear or :linear:gelu"],
    ["attention", "B2H12D64", 'bench attention: shape "B2H12D64" is not of the form B2H12S577D64'],
    ["lora", "8x8x8x2:dropout=1.5", "is not of the form TxKxNxR"],
    ["step", "8", "bench step: it takes no --shapes; the suites of one op do."],
    ["all", "8x8x8", "bench all: --shapes belong to one suite. Name it."],
  ] as const)("%s refuses %s", (suite, shapes, message) => {
    expect(() => tasksOf(suite, shapes)).toThrow(message);
  });
});
