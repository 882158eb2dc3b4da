import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { noGrad, openDevice, scope } from "../../engine/index.js";
import { loadMedMoe, type MedMoeLoadOptions } from "../../models/index.js";
import { goldenMedMoe } from "../med-moe/support.js";

type Options = Omit<MedMoeLoadOptions, "device">;
type Json = Record<string, unknown> & { moe?: Record<string, unknown>; weight_map: Record<string, string> };

export function editJson(file: string, edit: (json: Json) => object): void {
  writeFileSync(file, JSON.stringify(edit(JSON.parse(readFileSync(file, "utf8")))));
}

/** Copies of golden models in a folder that goes after the tests of the file, and how they load on the reference device. */
export async function medMoeFolders() {
  const device = await openDevice("reference");
  const scratch = mkdtempSync(join(tmpdir(), "consilium-med-moe-"));
  afterAll(() => {
    device.close();
    rmSync(scratch, { recursive: true });
  });
  let copies = 0;
  return {
    device,
    scratch,
    /** A copy of a golden model, which a test may damage. */
    copyOf(model: "stablelm" | "phi"): string {
      const folder = join(scratch, `${model}-${copies++}`);
      cpSync(join(goldenMedMoe, model), folder, { recursive: true });
      return folder;
    },
    load: (folder: string, options: Options = {}) => loadMedMoe(folder, { device, ...options }),
    /** Of one short text. */
    async logitsOf(folder: string, options: Options = {}): Promise<Float32Array> {
      const { network } = await loadMedMoe(folder, { device, ...options });
      using _ = network;
      using logits = noGrad(() => scope(() => network.forward([{ ids: [5, 9, 11, 30] }], null)));
      return (await logits.data()) as Float32Array;
    },
  };
}
