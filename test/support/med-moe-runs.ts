import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll } from "vitest";
import { type Device, nn } from "../../engine/index.js";
import {
  DomainRouter,
  MedMoeRunConfig,
  type MedMoeRunConfigInput,
  type MedMoeTrainEvent,
  saveRouter,
  trainMedMoe,
} from "../../models/index.js";
import { denseModel } from "../med-moe/support.js";
import { tryOpen } from "./devices.js";

export const images = fileURLToPath(new URL("../../data/vqa-rad/images", import.meta.url));
const FAMILIES = ["stablelm", "phi"] as const;
const WIDTH = { stablelm: 32, phi: 40 };
const ANSWERS = ["liver", "lung", "kidney", "heart"];
/** Conversations about images of VQA-RAD, one question each. */
export const rows = readdirSync(images)
  .sort()
  .slice(0, 18)
  .map((image, i) => ({
    image,
    modality: ["CT", "MRI"][i % 2],
    conversations: [
      { from: "human", value: "<image>\nWhich organ is shown?" },
      { from: "gpt", value: ANSWERS[i % 4] },
    ],
  }));
export type Row = (typeof rows)[number];
/** The row with another answer. */
export const said = (row: Row, value: string): Row => ({
  ...row,
  conversations: [row.conversations[0], { from: "gpt", value }],
});
export const atStep = (n: number) => (event: MedMoeTrainEvent) => event.type === "step" && event.step === n;

interface How {
  readonly resume?: boolean;
  readonly device?: Device;
  readonly stopping?: AbortController;
  readonly dataThreads?: number;
  stop?(event: MedMoeTrainEvent): boolean;
}

/** Short runs on dense models of the golden sizes, in a folder that goes after the tests of the file. */
export async function medMoeRuns() {
  const folder = mkdtempSync(join(tmpdir(), "consilium-med-moe-runs-"));
  const path = (name: string) => join(folder, name);
  const cpu = (await tryOpen("cpu", { threads: 2 })).device as Device;

  /** Writes conversations, for `data` of a run. */
  function dataOf(name: string, items: readonly object[]) {
    writeFileSync(path(name), JSON.stringify(items));
    return { set: "json" as const, files: [path(name)], images };
  }

  beforeAll(async () => {
    for (const family of FAMILIES) {
      await denseModel(family, path(family));
      using router = new DomainRouter(new nn.Initializer(cpu, 3), WIDTH[family], 3);
      await saveRouter(path(`${family}.pth`), router);
    }
    dataOf("eight.json", rows.slice(0, 8));
  });
  afterAll(() => {
    cpu.close();
    rmSync(folder, { recursive: true });
  });

  /** A run on eight conversations, unless the input names others, that ends where `stop` says so of an event. */
  async function train(
    out: string,
    input: Partial<MedMoeRunConfigInput> & { stage: string; model: string },
    { device = cpu, resume, stop, stopping = new AbortController(), dataThreads = 0 }: How = {},
  ) {
    const data = { set: "json", files: [path("eight.json")], images };
    const events: MedMoeTrainEvent[] = [];
    const result = await trainMedMoe(MedMoeRunConfig.parse({ data, precision: "f32", ...input }), {
      device,
      out: path(out),
      resume,
      // In place, where tests can interfere.
      dataThreads,
      signal: stopping.signal,
      onEvent: (event) => {
        events.push(event);
        if (stop?.(event)) stopping.abort();
      },
    });
    return { ...result, events };
  }

  const SHORT = { dtype: "F32", batch: 4, accumulate: 1, epochs: 2, lr: 1e-2 } as const;
  return {
    path,
    dataOf,
    train,
    /** What a run wrote. */
    bytes: (...names: string[]) => readFileSync(path(join(...names))),
    instruct: (more: object = {}) =>
      ({ stage: "instruct", model: path("stablelm"), ...SHORT, groupByLength: false, ...more }) as const,
    moe: (family: (typeof FAMILIES)[number], more: object = {}) =>
      ({
        stage: "moe",
        model: path(family),
        router: path(`${family}.pth`),
        experts: 3,
        ...SHORT,
        batch: 3,
        ...more,
      }) as const,
  };
}
