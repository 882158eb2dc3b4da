import { describe, expect, it } from "vitest";
import { LineProcess } from "../../bench/contenders/line-process.js";
import { tasksOf } from "../../bench/suites/index.js";
import { stepTask } from "../../bench/suites/step.js";
import { agrees } from "./support.js";

describe("LineProcess", () => {
  const node = (script: string) => new LineProcess(process.execPath, ["-e", script], process.env);
  const echo = `require("readline").createInterface({ input: process.stdin }).on("line", (l) => {
    const m = JSON.parse(l);
    if (m.die) { console.error("first words\\nlast words"); process.exit(3); }
    console.log("a library says something");
    const reply = m.bad ? "not JSON" : JSON.stringify(m.fail ? { error: m.fail } : { got: m.n });
    require("fs").writeSync(3, reply + "\\n");
  })`;

  it("matches replies to requests in order, and turns errors into rejections", async () => {
    const child = node(echo);
    const replies = [child.request({ n: 1 }), child.request({ fail: "no such op" }), child.request({ n: 3 })];
    expect(await Promise.allSettled(replies)).toMatchObject([
      { value: { got: 1 } },
      { reason: new Error("no such op") },
      { value: { got: 3 } },
    ]);
    await expect(child.request({ bad: true })).rejects.toThrow("unexpected output: not JSON");
    await child.close();
  });

  it("explains its end with its last words, also to later requests", async () => {
    const child = node(echo);
    await expect(child.request({ die: true })).rejects.toThrow(/^last words$/);
    await expect(child.request({ n: 1 })).rejects.toThrow("last words");
    await child.close();
  });
});

describe("PyTorch", () => {
  it.for([
    ["matmul", "5x7x33,5x7x33:linear,5x7x33:linear:gelu"],
    ["attention", "B2H3S17D16,B2H4G2L5S17D16:causal,B1H3L1S17D16:causal,B2H3S17D16:packed"],
    ["lora", "6x33x17x4:dropout=0.2"],
    ["launch", undefined],
  ] as const)("computes what we compute, forward and backward: %s %s", async ([suite, shapes], { skip }) => {
    await agrees("torch", tasksOf(suite, { shapes }).tasks, skip);
  });

  it("takes the same training step", async ({ skip }) => {
    await agrees("torch", [stepTask("tiny", { B: 3, Q: 9, A: 5 })], skip);
  });
});
