import { describe, expect, it } from "vitest";
import { shapeList } from "../../bench/shapes/parse.js";
import { setNames, tasksOf } from "../../bench/suites/index.js";
import { SUITES, type Suite } from "../../bench/suites/names.js";
import { ENDLESS } from "../../bench/suites/room.js";
import type { Task } from "../../bench/task.js";

const facts = (tasks: readonly Task[]) =>
  tasks.map(({ op, pass, shape, flops, bytes, options, routing }) => ({
    op,
    pass,
    shape,
    flops,
    bytes,
    options,
    routing,
  }));

describe("--shapes", () => {
  it.each(SUITES.filter((suite) => !["step", "launch", "replay"].includes(suite)))(
    "%s reads what it prints",
    (suite) => {
      const own = tasksOf(suite).tasks;
      expect(own.length).toBeGreaterThan(0);
      const again = [undefined, "one-hot" as const].flatMap((routing) => {
        const rows = own.filter((task) => (routing ?? "balanced") === (task.routing ?? "balanced"));
        return rows.length > 0 ? tasksOf(suite, { shapes: rows.map((t) => t.shape).join(","), routing }).tasks : [];
      });
      const sorted = (tasks: readonly Task[]) =>
        facts(tasks)
          .map((fact) => JSON.stringify(fact))
          .sort();
      expect(sorted(again)).toEqual(sorted(own));
    },
  );

  it.each([
    ["512x256x704x4x2", ["512x256x704x4x2"]],
    ["512,256,704,4,2", ["512x256x704x4x2"]],
    ["512, 256, 704, 4, 2", ["512x256x704x4x2"]],
    ["512,256,704,4,2;9,8,12,3,1", ["512x256x704x4x2", "9x8x12x3x1"]],
    [
      "512,256,704,4,2 mixtral-8x7b-mini@64,9x8x12x3x1;olmoe",
      ["512x256x704x4x2", "mixtral-8x7b-mini@64", "9x8x12x3x1", "olmoe"],
    ],
    ["8x8x8, 4x4x4", ["8x8x8", "4x4x4"]],
    ["8x8x8\t4x4x4", ["8x8x8", "4x4x4"]],
    ["", [""]],
    ["8x8x8,", ["8x8x8", ""]],
    ["1,2,3,4,5,6", ["1", "2", "3", "4", "5", "6"]],
  ])("a list: %s", (text, shapes) => expect(shapeList(text)).toEqual(shapes));

  it.each([
    ["matmul", "64x64", 'bench matmul: shape "64x64" is not of the form MxNxK'],
    ["matmul", "64x64x64,", 'bench matmul: shape "" is not of the form'],
    ["matmul", "64x0x64", 'bench matmul: N of shape "64x0x64" is 0.'],
    ["matmul", "64x64x64:gelu", "with :linear or :linear:gelu"],
    ["attention", "B2H12D64", 'bench attention: shape "B2H12D64" is not of the form B2H12S577D64'],
    ["attention", "B1H4S8D257", 'bench attention: shape "B1H4S8D257": heads are 257 wide, of at most 256.'],
    ["attention", "B1H4G3S8D8", "4 heads cannot share 3 of keys and values evenly."],
    ["attention", "B1H4G2S8D8:packed", "a packed tensor has as many heads of keys as of queries, not 2."],
    ["attention", "B1H4L2S8D8:packed", "a packed tensor has as many queries as keys, not 2."],
    ["lora", "8x8x8x2:dropout=1.5", "is not of the form TxKxNxR"],
    ["layer-norm", "miss", 'bench layer-norm: shape "miss" is not of the form TxC'],
    ["moe", "1,2,3,4", 'bench moe: shape "1" is not of the form T,d,n,E,k or TxdxnxExk'],
    ["moe", "8x8x8x4x5", 'bench moe: shape "8x8x8x4x5": topK 5 must be from 1 to the 4 experts, and at most 16.'],
    ["moe", "8,8,8,600,2", 'bench moe: shape "8x8x8x600x2": 600 experts; 1 to 512 can be routed to.'],
    ["moe", "8,8,8,4,0", 'bench moe: k of shape "8x8x8x4x0" is 0.'],
    ["moe", "99999999999999999999,8,8,4,2", "kernels count to 2^32."],
    [
      "moe",
      "4096x1048576x1048576x4x2",
      'shape "4096x1048576x1048576x4x2": a tensor of 8,796,093,022,208 elements; kernels',
    ],
    ["matmul", "65536x65536x64", 'bench matmul: shape "65536x65536x64": a tensor of 4,294,967,296 elements;'],
    ["grouped-gemm", "8x8x8x4x5:grouped", "topK 5 must be from 1 to the 4 experts"],
    ["routing", "8x6x2:deepseek", 'bench routing: shape "8x6x2:deepseek": 6 experts do not form 8 groups.'],
    ["routing", "8x6x2:softmax", "with one of :raw, :chosen, :medmoe, :deepspeed, :deepseek behind it."],
    ["decode", "64x8x12x8x2", "64 tokens of 2 experts are more than 64 rows: see the suite moe."],
    ["decode", "mixtral-8x7b-mini@64", 'bench decode: shape "mixtral-8x7b-mini@64": 64 tokens of 2 experts'],
    ["decode", "65x8x8:linear", "65 rows are more than 64: see the suite matmul."],
    ["decode", "B1H2S8D8", "decoding has one query, L1: see the suite attention."],
    ["decode", "B1H2S8D8:packed", "decoding reads keys and values from a cache, not packed."],
    [
      "moe",
      "mixtral",
      'bench moe: there is no set "mixtral". Sets: med-moe-stablelm, med-moe-stablelm-k2, med-moe-phi2, med-moe-phi2-k2, ' +
        "mixtral-8x7b, olmoe, qwen3-30b-a3b, deepseek-v3, gpt-oss-20b, sonic-1.4b, sonic-7b, sonic-30b, sonic-120b; each also " +
        "as NAME-mini, and with a size as NAME@SIZE.",
    ],
    ["moe", "mixtral-8x7b-mni", 'there is no set "mixtral-8x7b-mni". Did you mean "mixtral-8x7b-mini"?'],
    ["moe", "fa3", 'bench moe: there is no set "fa3".'],
    ["moe", "olmoe@0", 'bench moe: the size of "olmoe@0" is 0.'],
    ["step", "8", "bench step: it takes no --shapes; the suites of one op do."],
    ["all", "8x8x8", 'bench all: the shape "8x8x8" belongs to one suite. Name it, or give sets alone.'],
    ["all", "fa4", 'bench all: there is no set "fa4". Did you mean "fa3"? Sets: '],
    [
      "matmull" as Suite,
      undefined,
      'bench: there is no suite "matmull". Did you mean "matmul"? Suites: quick, all, moe, grouped-gemm,',
    ],
    ["toString" as Suite, undefined, 'bench: there is no suite "toString". Suites: quick, all, moe,'],
  ] as const)("%s refuses %s", (suite, shapes, message) => {
    expect(() => tasksOf(suite, { shapes })).toThrow(message);
  });

  it("never crashes on other text", () => {
    for (const text of [
      "\0",
      "💥",
      "x".repeat(10_000),
      "@",
      "olmoe@",
      "olmoe@1e9",
      "--",
      "1".repeat(400),
      "constructor",
      "__proto__",
    ])
      for (const suite of SUITES) expect(() => tasksOf(suite, { shapes: text }), `${suite} ${text}`).toThrow(/^bench /);
  });
});

describe("published sets", () => {
  /** T d n E k of the layers, from the configs and papers that kernels/published-shapes.ts cites. */
  it.each([
    ["med-moe-stablelm", ["4096x2048x5632x4x1:meta"]],
    ["med-moe-stablelm-k2", ["4096x2048x5632x4x2"]],
    ["med-moe-phi2", ["4096x2560x10240x4x1:gelu:bias:meta"]],
    ["med-moe-phi2-k2", ["4096x2560x10240x4x2:gelu:bias"]],
    ["mixtral-8x7b", ["4096x4096x14336x8x2"]],
    ["olmoe", ["4096x2048x1024x64x8"]],
    ["qwen3-30b-a3b", ["4096x2048x768x128x8"]],
    ["deepseek-v3", ["4096x7168x2048x32x8"]],
    ["gpt-oss-20b", ["4096x2880x2880x32x4:bias"]],
    ["sonic-1.4b", ["40960x768x256x128x8"]],
    ["sonic-7b", ["24576x1536x256x128x8", "24576x1536x1024x32x2"]],
    ["sonic-30b", ["32768x4096x256x256x16", "32768x4096x1024x64x4"]],
    ["sonic-120b", ["32768x4096x512x256x16", "32768x4096x2048x64x4"]],
    ["mixtral-8x7b@64", ["64x4096x14336x8x2"]],
    ["mixtral-8x7b-mini", ["256x256x896x8x2"]],
    ["gpt-oss-20b-mini", ["512x360x360x32x4:bias"]],
    ["sonic-30b-mini@100", ["100x256x16x256x16", "100x256x64x64x4"]],
  ])("moe: %s", (shapes, expected) => {
    const { tasks } = tasksOf("moe", { shapes, pass: "forward" });
    expect(tasks.map(({ shape }) => shape)).toEqual(expected);
    expect(tasks.map(({ set }) => set)).toEqual(expected.map(() => shapes.replace(/@.*/, "")));
  });

  it.each([
    ["grouped-gemm", "mixtral-8x7b", ["4096x4096x28672x8x2", "4096x14336x4096x8x2:grouped"]],
    ["grouped-gemm", "med-moe-phi2", ["4096x2560x10240x4x1", "4096x10240x2560x4x1:grouped"]],
    ["routing", "deepseek-v3@1000", ["1000x256x8:deepseek"]],
    ["routing", "med-moe-stablelm med-moe-phi2-k2 olmoe", ["4096x4x1:medmoe", "4096x4x2:deepspeed", "4096x64x8:raw"]],
    ["attention", "mixtral-8x7b,qwen3-30b-a3b@1024", ["B1H32G8S4096D128:causal", "B1H32G4S1024D128:causal"]],
    ["attention", "gpt-oss-20b-mini", ["B1H64G8S512D8:causal"]],
    ["decode", "mixtral-8x7b", ["B1H32G8L1S4096D128", "1x6144x4096:linear", "1x4096x4096:linear", "1x4096x14336x8x2"]],
    [
      "decode",
      "med-moe-phi2@8",
      ["B8H32L1S4096D80", "8x7680x2560:linear", "8x2560x2560:linear", "8x2560x10240x4x1:gelu:bias:meta"],
    ],
    ["decode", "sonic-7b-mini", ["1x192x32x128x8", "1x192x128x32x2"]],
    [
      "matmul",
      "miss",
      ["7208x2304x768:linear", "7208x768x768:linear", "7208x3072x768:linear:gelu", "7208x768x3072:linear"],
    ],
    ["lora", "miss@1", ["901x768x768x4", "901x768x768x8", "901x768x768x16"]],
    [
      "attention",
      "miss",
      ["B8H12S901D64:packed", "B8H12S32D64", "B8H12L32S901D64", "B8H12S10D64:causal", "B8H12L10S901D64"],
    ],
  ] as const)("%s: %s", (suite, shapes, expected) => {
    expect(tasksOf(suite, { shapes, pass: "forward" }).tasks.map(({ shape }) => shape)).toEqual(expected);
  });

  it("FlashAttention-3's grid: 16k tokens, heads 2,048 wide together", () => {
    const { tasks } = tasksOf("attention", { shapes: "fa3", pass: "forward" });
    expect(tasks).toHaveLength(3 * 2 * 6);
    for (const { shape } of tasks) {
      const [B, H, S, D] = (/^B(\d+)H(\d+)S(\d+)D(\d+)(:causal)?$/.exec(shape) ?? []).slice(1, 5).map(Number);
      expect([B * S, H * D]).toEqual([16384, 2048]);
    }
    const narrowed = tasksOf("attention", { shapes: "fa3@512", pass: "forward" }).tasks.map(({ shape }) => shape);
    expect(narrowed).toHaveLength(6);
    expect(narrowed[0]).toBe("B32H32S512D64");
  });

  it("the LoRA grid: five layers, four ranks, one row to 16,384", () => {
    const shapes = tasksOf("lora", { shapes: "lora", pass: "forward" }).tasks.map(({ shape }) => shape);
    expect(shapes).toHaveLength(5 * 4 * 4);
    expect(shapes).toContain("16384x4096x14336x64");
    expect(tasksOf("lora", { shapes: "lora@1", pass: "forward" }).tasks.map(({ shape }) => shape)).toContain(
      "1x768x768x4",
    );
  });

  it("FLOPs by SonicMoE's convention: 6 T n d k forward, twice that backward", () => {
    const [forward, backward, both] = (["forward", "backward", "both"] as const).map(
      (pass) => tasksOf("moe", { shapes: "sonic-1.4b", pass }).tasks[0].flops as number,
    );
    expect(forward).toBe(6 * 40960 * 256 * 768 * 8);
    expect([backward, both]).toEqual([2 * forward, 3 * forward]);
  });

  it("counts the weights of experts that are reached", () => {
    const bytes = (routing: "balanced" | "one-hot", shapes: string) =>
      tasksOf("moe", { shapes, routing, pass: "forward" }).tasks[0].bytes as number;
    const one = bytes("balanced", "1x64x32x8x2");
    expect(bytes("one-hot", "1x64x32x8x2")).toBe(one);
    expect(bytes("balanced", "512x64x32x8x2") - bytes("one-hot", "512x64x32x8x2")).toBe(4 * 6 * 3 * 64 * 32);
  });

  it("counts bytes in the storage type", () => {
    const bytes = (dtype: "f32" | "bf16") =>
      tasksOf("grouped-gemm", { shapes: "mixtral-8x7b-mini", dtype, pass: "forward" }).tasks[0].bytes as number;
    // The lists alone are as large.
    expect(bytes("f32") - bytes("bf16")).toBe(2 * (256 * 256 + 8 * 1792 * 256 + 512 * 1792));
  });

  it("serve several suites at once", () => {
    const { tasks, skipped } = tasksOf("all", { shapes: "mixtral-8x7b-mini miss-mini" });
    expect([...new Set(tasks.map(({ suite }) => suite))]).toEqual([
      ...["moe", "grouped-gemm", "routing", "attention", "decode", "lora", "matmul"],
    ]);
    expect(skipped).toEqual([]);
    expect(new Set(tasks.map((t) => `${t.suite} ${t.op} ${t.pass} ${t.shape}`)).size).toBe(tasks.length);
  });

  it("have a laptop's version of each, which fits 2 GiB", () => {
    for (const suite of SUITES) {
      const names = setNames(suite);
      for (const name of names.filter((n) => !n.endsWith("-mini"))) expect(names).toContain(`${name}-mini`);
    }
    const minis = setNames("all").filter((name) => name.endsWith("-mini"));
    const { tasks, skipped } = tasksOf("all", { shapes: minis.join(","), room: { ...ENDLESS, bytes: 2 ** 31 } });
    expect(skipped).toEqual([]);
    // No more than 20 GFLOP forward: a second of a laptop's core at most.
    const forwards = tasks.filter(({ pass }) => pass === "forward");
    for (const { flops, op, shape } of forwards) expect(flops, `${op} ${shape}`).toBeLessThan(20e9);
  });
});

describe("what does not fit", () => {
  const [both, device] = [1.5 * 2 ** 30, 0.75 * 2 ** 30];

  it("is skipped, with the bytes that it needs and has", () => {
    const room = { ...ENDLESS, bytes: both };
    const { tasks, skipped } = tasksOf("moe", { shapes: "9x8x12x3x2,med-moe-stablelm-k2@256", room });
    expect(tasks.map(({ pass, shape }) => `${pass} ${shape}`)).toEqual([
      ...["forward 9x8x12x3x2", "forward+backward 9x8x12x3x2", "forward 256x2048x5632x4x2"],
    ]);
    expect(skipped).toEqual([
      {
        ...{ suite: "moe", op: "mixtureOfExperts", pass: "forward+backward", shape: "256x2048x5632x4x2" },
        reason: "it needs some 1.74 GB of memory; 1.61 GB are there",
      },
    ]);
  });

  it("counts the host's inputs but on a card of its own memory, and two bytes of half types", () => {
    const fitting = (withHost: boolean, dtype?: "bf16") => {
      const room = { ...ENDLESS, bytes: device, withHost };
      return tasksOf("moe", { shapes: "256x2048x5632x4x2", pass: "forward", dtype, room }).tasks.length;
    };
    expect([fitting(true), fitting(false)]).toEqual([0, 1]);
    expect([fitting(true, "bf16"), fitting(false, "bf16")]).toEqual([0, 1]);
  });

  it("is one tensor that no buffer holds, with its bytes and the buffer's", () => {
    const asked = { shapes: "64x64x64,4096x64x64", pass: "forward" as const };
    const room = { ...ENDLESS, tensorBytes: 2 ** 19 };
    const { tasks, skipped } = tasksOf("matmul", { ...asked, room });
    expect(tasks.map(({ shape }) => shape)).toEqual(["64x64x64"]);
    expect(skipped).toEqual([
      {
        ...{ suite: "matmul", op: "matmul", pass: "forward", shape: "4096x64x64" },
        reason: "a tensor of 1.05 MB; a buffer of this device has 524 kB at most",
      },
    ]);
    // Half as many bytes.
    expect(tasksOf("matmul", { ...asked, dtype: "bf16", room }).skipped).toEqual([]);
  });

  it("of a set, also what kernels do not count to", () => {
    const { tasks, skipped } = tasksOf("moe", { shapes: "mixtral-8x7b@2000000", pass: "forward" });
    expect(tasks).toEqual([]);
    expect(skipped.map(({ reason }) => reason)).toEqual(["a tensor of 57,344,000,000 elements; kernels count to 2^32"]);
  });
});
