import { describe, expect, it } from "vitest";
import { measure } from "../../../bench/row/measure.js";
import type { OpenedPeer, PeerCase, Task } from "../../../bench/task.js";
import { openDevice } from "../../../engine/index.js";

/** One call takes so long, or fails; its result is `y`, and after a piece of some calls was timed `after`. */
interface Form {
  readonly form?: string;
  readonly ms?: number;
  readonly y?: readonly number[] | Error;
  readonly after?: readonly number[] | Error;
  readonly fails?: string;
}

/** Calls of a piece of the row: a trial's are as many as fill 5 ms. */
const CALLS = 20;

function caseOf({ form, ms = 1, y = [1, 8], after = y, fails }: Form): PeerCase & { released: boolean } {
  let timed = false;
  const made = {
    ...(form && { form }),
    released: false,
    contender: {
      async time(calls: number) {
        if (fails) throw new Error(fails);
        timed ||= calls === CALLS;
        return { seconds: (calls * ms) / 1000, cpuSeconds: null };
      },
      release() {
        made.released = true;
      },
    },
    async results() {
      const found = timed ? after : y;
      if (found instanceof Error) throw found;
      return { y: Float32Array.from(found) };
    },
  };
  return made;
}

/** What a row says of a peer with these forms, where ours takes 1 ms and gives [1, 8]. */
async function told(forms: readonly Form[], pass: Task["pass"] = "forward") {
  const ours = caseOf({});
  const cases = forms.map(caseOf);
  const task: Task = {
    ...{ suite: "lora", op: "loraMatmul", pass, name: "small", shape: "6x8x10x2", options: {}, trained: [] },
    ...{ flops: null, bytes: null, tolerance: 1e-3, calls: CALLS },
    prepare: async () => ({
      contender: { ...ours.contender, enqueue() {} },
      inputs: async () => ({}),
      results: async () => ({ y: Float32Array.of(1, 8) }),
    }),
  };
  const peer: OpenedPeer = { name: "p", peer: { version: "1", prepare: async () => cases, close() {} }, reason: "" };
  const device = await openDevice("reference");
  try {
    const { peers } = await measure(task, device, [peer], { threads: 1, seconds: 0 });
    expect(cases.every(({ released }) => released)).toBe(true);
    return peers.p;
  } finally {
    device.close();
  }
}

const blank = (reason: string) => ({ medianUs: null, ratio: null, reason });

describe("a peer of a row", () => {
  it("is timed in its fastest form, and says what the others took", async () => {
    const forms = [
      { form: "a", ms: 3 },
      { form: "b", ms: 2 },
    ];
    expect(await told(forms)).toMatchObject({ form: "b", forms: { a: 3000, b: 2000 }, ratio: 2, difference: 0 });
  });

  it("has the reason of each form that computes something else, refuses, or fails in the trial", async () => {
    const forms = [
      { form: "a", y: [1, 9] },
      { form: "b", y: new Error("no kernel for f32") },
      { form: "c", fails: "out of memory" },
      { form: "d", ms: 2 },
    ];
    expect(await told(forms)).toMatchObject({
      ...{ form: "d", forms: { d: 2000 } },
      refused: {
        a: "its results differ from ours by 1.3e-1 of the largest",
        b: "no kernel for f32",
        c: "out of memory",
      },
    });
    expect(await told(forms.slice(0, 2))).toEqual(
      blank("a: its results differ from ours by 1.3e-1 of the largest; b: no kernel for f32"),
    );
  });

  it("is a blank where it fails while it is timed", async () => {
    expect(await told([{ fails: "killed after 60 s" }])).toEqual(blank("killed after 60 s"));
  });

  it("is a blank where its results after timing are not ours, or none", async () => {
    expect(await told([{ after: [1, 9] }])).toEqual(
      blank("after it was timed, its results differ from ours by 1.3e-1 of the largest."),
    );
    expect(await told([{ after: [1, Number.NaN] }])).toEqual(
      blank("after it was timed, its results differ from ours in size, or by a NaN."),
    );
    expect(await told([{ after: new Error("ended by SIGSEGV") }])).toEqual(
      blank("after it was timed: ended by SIGSEGV"),
    );
  });

  it("has other results after a step, which are numbers still", async () => {
    expect(await told([{ after: [2, 9] }], "step")).toMatchObject({ ratio: 1 });
    expect(await told([{ after: [2, Number.NaN] }], "step")).toEqual(
      blank("after it was timed, its result y is not finite."),
    );
  });
});
