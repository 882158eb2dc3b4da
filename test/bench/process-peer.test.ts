import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { LineProcess } from "../../bench/contenders/line-process.js";
import { openProcessPeer } from "../../bench/contenders/process-peer.js";
import { interleave } from "../../bench/row/rounds.js";
import type { HostTensors, Peer, Task } from "../../bench/task.js";

/**
 * A peer that doubles x, and misbehaves where the task's options or its own arguments say so: `hang`, `exit`, `signal`, `garbage`,
 * `twice` (two answers), `late` (500 ms), `nothing` (a reply without what it should hold).
 */
const FAKE = `
const { readFileSync, writeFileSync, writeSync } = require("node:fs");
const say = (text) => writeSync(3, text + "\\n");
const reply = (message) => say(JSON.stringify(message));
let how = {};
let values;
const faults = {
  hang: () => { for (;;); },
  exit: () => { console.error("it said this last"); process.exit(7); },
  signal: () => process.kill(process.pid, "SIGSEGV"),
  garbage: () => say("Loading model... 10 %"),
  twice: () => { reply({}); reply({}); },
  late: (answer) => setTimeout(() => reply(answer), 500),
  nothing: () => reply({}),
};
const answer = (request, message) => {
  if (how[request]) return faults[how[request]](message);
  reply(message);
};
if (process.argv.includes("deaf")) { process.stdin.on("end", () => setInterval(() => {}, 1000)); }
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const m = JSON.parse(line);
  if (m.request === "hello" && m.hang) for (;;);
  if (m.request === "hello") return answer("hello", m.fail ? { error: m.fail } : { version: "1.2 of " + process.pid });
  if (m.request === "time") return answer("time", { seconds: 0.001 * m.calls, cpuSeconds: 0.001, peakBytes: 4096 });
  if (m.request === "release") return answer("release", {});
  if (m.request === "results") {
    const file = m.folder + "/y";
    writeFileSync(file, values.map((v) => 2 * v));
    return answer("results", { results: { y: file } });
  }
  how = m.options;
  values = new Float32Array(Uint8Array.from(readFileSync(m.inputs[0].file)).buffer);
  answer("prepare", { forms: [{ name: "doubled", note: m.copies + " copies" }] });
});
`;

const inputs: HostTensors = { x: { shape: [2], values: Float32Array.of(3, 4) } };
const task = (options: object = {}) =>
  ({ op: "double", pass: "forward", shape: "2", options, trained: [] }) as unknown as Task;

describe("a peer in a process of its own", () => {
  const opened: Peer[] = [];
  afterEach(async () => {
    for (const peer of opened.splice(0)) await peer.close();
  });
  const open = async (settings: { limitSeconds?: number; startSeconds?: number; hello?: object } = {}) => {
    const { limitSeconds = 20, startSeconds, hello = {} } = settings;
    const peer = await openProcessPeer({
      ...{ label: "fake", command: process.execPath, args: ["-e", FAKE, "fake"], env: process.env },
      ...{ hello: { ...hello }, hint: "Repair it", limitSeconds, patience: 1, startSeconds },
    });
    opened.push(peer);
    return peer;
  };
  const works = async (peer: Peer) => {
    const [{ results, form }] = await peer.prepare(task(), inputs);
    for (let i = 0; i < 2; i++)
      expect({ y: [...((await results?.())?.y ?? [])], form }).toEqual({ y: [6, 8], form: "doubled" });
  };

  it("computes, is timed, and tells its memory", async () => {
    const peer = await open();
    const [{ contender, peakBytes }] = await peer.prepare(task(), inputs);
    expect(peakBytes?.()).toBeNull();
    expect(await contender.time(3)).toEqual({ seconds: 0.003, cpuSeconds: 0.001 });
    expect(peakBytes?.()).toBe(4096);
  });

  it("is told how many copies of the inputs its calls take in turn", async () => {
    const peer = await open();
    for (const [copies, note] of [
      [undefined, "1 copies"],
      [7, "7 copies"],
    ] as const)
      expect((await peer.prepare(task(), inputs, copies))[0].note).toBe(note);
  });

  it("that says it cannot start, or ends, is an error with what to do", async () => {
    await expect(open({ hello: { fail: "no library" } })).rejects.toThrow(/^fake: no library\. Repair it\.$/);
    const hangs = open({ hello: { hang: true }, startSeconds: 1 });
    await expect(hangs).rejects.toThrow(/^fake: killed after 1 s in hello\. Repair it\.$/);
    const gone = openProcessPeer({
      ...{ label: "fake", command: "no-such-command", args: [], env: process.env, hello: {} },
      ...{ hint: "Repair it", limitSeconds: 1, patience: 1 },
    });
    await expect(gone).rejects.toThrow("fake: spawn no-such-command ENOENT. Repair it.");
  });

  it("leaves nothing where it does not start: no process without its folder, no folder without its process", async () => {
    const folder = await mkdtemp(join(tmpdir(), "consilium-test-"));
    const before = process.env.TMPDIR;
    try {
      process.env.TMPDIR = folder;
      await expect(open({ hello: { fail: "no library" } })).rejects.toThrow("no library");
      expect(await readdir(folder)).toEqual([]);
      const started = join(folder, "started");
      process.env.TMPDIR = join(folder, "missing");
      const script = `require("node:fs").writeFileSync(${JSON.stringify(started)}, ""); setInterval(() => {}, 1000);`;
      const peer = openProcessPeer({
        ...{ label: "fake", command: process.execPath, args: ["-e", script], env: process.env, hello: {} },
        ...{ hint: "Repair it", limitSeconds: 1, patience: 1, startSeconds: 1 },
      });
      await expect(peer).rejects.toThrow("ENOENT");
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(await readdir(folder)).toEqual([]);
    } finally {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
      await rm(folder, { recursive: true });
    }
  });

  it.for([
    ["exit", "ended with exit code 7: it said this last"],
    ["signal", "ended by SIGSEGV"],
    ["garbage", "killed after unexpected output: Loading model... 10 %"],
    ["nothing", "what it answered to prepare of double forward 2 is not understood: forms:"],
    ["twice", "what it answered to prepare of double forward 2 is not understood: forms:"],
  ] as const)("that fails in a task (%s) says why, and takes the next", async ([fault, reason]) => {
    const peer = await open();
    await expect(peer.prepare(task({ prepare: fault }), inputs)).rejects.toThrow(reason);
    await works(peer);
  });

  it("that hangs in a task is killed after its limit, and started anew for the next", async () => {
    const peer = await open({ limitSeconds: 1 });
    const start = performance.now();
    await expect(peer.prepare(task({ prepare: "hang" }), inputs)).rejects.toThrow(
      /^killed after 1 s in prepare of double forward 2$/,
    );
    expect(performance.now() - start).toBeLessThan(10_000);
    await works(peer);
  });

  it("that answers late, within its limit, is heard", async () => {
    const peer = await open();
    const [{ contender, results }] = await peer.prepare(task({ prepare: "late", time: "late" }), inputs);
    expect([...((await results?.())?.y ?? [])]).toEqual([6, 8]);
    expect((await contender.time(2)).seconds).toBe(0.002);
  });

  it("that fails in its results says why", async () => {
    for (const [fault, reason] of [
      ["hang", "killed after 1 s in results of double forward 2 (doubled)"],
      ["nothing", "what it answered to results of double forward 2 (doubled) is not understood: results:"],
    ]) {
      const peer = await open({ limitSeconds: 1 });
      const [{ results }] = await peer.prepare(task({ results: fault }), inputs);
      await expect(results?.()).rejects.toThrow(reason);
      await works(peer);
    }
  });

  it("that answers after its limit is not mistaken for the next request's", async () => {
    const peer = await open({ limitSeconds: 0.3 });
    await expect(peer.prepare(task({ prepare: "late" }), inputs)).rejects.toThrow("killed after 0.3 s");
    await works(await open());
  });

  it("that fails while it is timed stops being timed: the others go on", async () => {
    const faults = [
      ["hang", "killed after 1 s in time of 1 × double forward 2 (doubled)"],
      ["signal", "ended by SIGSEGV"],
      ["nothing", "is not understood: seconds:"],
    ] as const;
    for (const [fault, reason] of faults) {
      const peer = await open({ limitSeconds: 1 });
      const [{ contender }] = await peer.prepare(task({ time: fault }), inputs);
      const ours = { time: async () => ({ seconds: 0.02, cpuSeconds: null }), release() {} };
      const [own, theirs] = await interleave([ours, contender], { seconds: 0 });
      expect(own.failure).toBeNull();
      expect(theirs.failure).toContain(reason);
      // Nothing to release, and no error of it.
      await contender.release();
      await works(peer);
    }
  });

  it("whose process ends three times is left out, with the last reason", async () => {
    const peer = await open();
    for (let i = 0; i < 3; i++)
      await expect(peer.prepare(task({ prepare: "exit" }), inputs)).rejects.toThrow("it said this last");
    const out = "left out after its process ended 3 times, the last: ended with exit code 7: it said this last";
    await expect(peer.prepare(task(), inputs)).rejects.toThrow(out);
    await expect(peer.prepare(task(), inputs)).rejects.toThrow(out);
  });

  it("that ignores its end is killed", { timeout: 30_000 }, async () => {
    const child = new LineProcess(process.execPath, ["-e", FAKE, "fake", "deaf"], process.env);
    const { version } = await child.request({ request: "hello" });
    const pid = Number(String(version).split(" ").at(-1));
    await child.close();
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });
});

describe("LineProcess", () => {
  const echo = `require("readline").createInterface({ input: process.stdin }).on("line", (l) => {
    const m = JSON.parse(l);
    if (m.die) { console.error("first words\\nlast words"); process.exit(3); }
    console.log("a library says something");
    require("fs").writeSync(3, JSON.stringify(m.fail ? { error: m.fail } : { got: m.n }) + "\\n");
  })`;
  const start = () => new LineProcess(process.execPath, ["-e", echo], process.env);

  it("matches replies to requests in order, and turns errors into rejections", async () => {
    const child = start();
    const replies = [child.request({ n: 1 }), child.request({ fail: "no such op" }), child.request({ n: 3 })];
    expect(await Promise.allSettled(replies)).toMatchObject([
      { value: { got: 1 } },
      { reason: new Error("no such op") },
      { value: { got: 3 } },
    ]);
    await child.close();
  });

  it("explains its end with its last words, also to later requests", async () => {
    const child = start();
    await expect(child.request({ die: true })).rejects.toThrow(/^ended with exit code 3: last words$/);
    await expect(child.request({ n: 1 })).rejects.toThrow("last words");
    await child.close();
  });
});
