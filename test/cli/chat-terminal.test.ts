import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ChatSession } from "../../apps/cli/chat/session.js";
import { printable, talk } from "../../apps/cli/chat/terminal.js";
import { type Device, openDevice } from "../../engine/index.js";
import { type ChatOptions, MedMoe } from "../../models/index.js";
import { imageFile, speakingModel } from "../med-moe/support.js";

const scratch = mkdtempSync(join(tmpdir(), "consilium-terminal-"));
const IMAGE = imageFile("synpic100132.jpg");
let device: Device;
let model: MedMoe;
beforeAll(async () => {
  device = await openDevice("reference");
  model = await MedMoe.load(await speakingModel("stablelm", join(scratch, "stablelm")), { device });
});
afterAll(() => {
  model.dispose();
  device.close();
  rmSync(scratch, { recursive: true });
});

/** A terminal at which `steps` are typed, each when the text on it has come that is waited for. */
async function typed(steps: readonly (readonly [RegExp, string])[], options: ChatOptions = { maxNewTokens: 6 }) {
  const [input, output] = [new PassThrough(), new PassThrough()];
  let [raw, text, seen, step, left] = ["", "", 0, 0, false];
  const next = () => {
    while (step < steps.length) {
      const found = steps[step][0].exec(text.slice(seen));
      if (!found) return;
      seen += found.index + found[0].length;
      input.write(steps[step++][1]);
    }
  };
  output.on("data", (data) => {
    raw += data;
    text = withoutSteering(raw);
    // Not within the write that brought it.
    setImmediate(next);
  });
  using session = new ChatSession(model, options);
  const leaving = new Promise<void>((resolve) => {
    void talk(session, {
      input,
      output,
      leave: () => {
        left = true;
        resolve();
      },
    }).then(resolve);
  });
  await leaving;
  return { left, shown: text };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: what steers a terminal begins with it.
const withoutSteering = (text: string) => text.replace(/\x1b\[[\d;]*[A-Za-z]/g, "").replaceAll("\r", "");

async function answer(messages: readonly string[], images: readonly string[]): Promise<string> {
  let said = "";
  const roles = ["user", "assistant"] as const;
  const talked = messages.map((text, i) => ({ role: roles[i % 2], text }));
  for await (const piece of model.chat(talked, { images, maxNewTokens: 6 })) said += piece;
  return said;
}

const PROMPT = /\n?> /;

describe("a conversation on a terminal", () => {
  test("turns follow each other; images come when they are shown; /new forgets", async () => {
    const { left, shown } = await typed([
      [PROMPT, `/image ${IMAGE}\n`],
      [/next message\.\n/, "Which organ is shown?\n"],
      [/shown\?\n[^>]*> /, "Is it normal?\n"],
      [/normal\?\n[^>]*> /, "/new\n"],
      [/without images\.\n/, "why\n"],
      [/why\n[^>]*> /, "/exit\n"],
    ]);
    const first = "<image>\nWhich organ is shown?";
    const one = await answer([first], [IMAGE]);
    const two = await answer([first, one, "Is it normal?"], [IMAGE]);
    for (const text of [one, two, await answer(["why"], [])]) expect(shown).toContain(`${text}\n`);
    expect(left).toBe(false);
  });

  test("Ctrl-C stops an answer, which counts as far as it came, and the conversation goes on", async () => {
    const { left, shown } = await typed(
      [
        [PROMPT, "why\n"],
        [/why\n(.|\n){4}/, "\x03"],
        [/\[stopped\]\n/, "/exit\n"],
      ],
      { maxNewTokens: 300 },
    );
    expect(shown).toMatch(/why\n.+ \[stopped\]\n/);
    expect(left).toBe(false);
  });

  test("the second leaves: while it stops, or at the prompt", async () => {
    const during = await typed(
      [
        [PROMPT, "why\n"],
        [/why\n(.|\n){4}/, "\x03\x03"],
      ],
      { maxNewTokens: 300 },
    );
    expect(during.left).toBe(true);
    const waiting = await typed([
      [PROMPT, "\x03"],
      [/Ctrl-C once more leaves\.\n/, "\x03"],
    ]);
    expect(waiting.left).toBe(true);
  });

  test("Ctrl-D leaves; help is there; an empty line asks nothing", async () => {
    const { left, shown } = await typed([
      [PROMPT, "\n"],
      [/> /, "/what\n"],
      [/\/image FILE shows/, "\x04"],
    ]);
    expect([left, shown.match(/\/image FILE shows/g)?.length]).toEqual([false, 2]);
  });

  test("what goes wrong in a turn is said, and nothing of it stays", async () => {
    const none = join(scratch, "none.jpg");
    writeFileSync(none, "no image");
    const { shown } = await typed([
      [PROMPT, `/image ${none}\n`],
      [/none\.jpg: .*\n/, "<image> here?\n"],
      [/places for one in the messages \(<image>\): 1\./, "why\n"],
      [/why\n[^>]*> /, "/exit\n"],
    ]);
    expect(shown).toContain(`${await answer(["why"], [])}\n`);
  });
});

test("what would steer the terminal is not shown as such", () => {
  expect(printable("a\x1b[2Jb\x07c\n\td\x9b")).toBe("a\\x1b[2Jb\\x07c\n\td\\x9b");
  expect(printable("\u202eabc\u2066 \u00e9\r")).toBe("\\u202eabc\\u2066 \u00e9\\x0d");
});
