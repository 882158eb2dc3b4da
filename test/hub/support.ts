import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { findModel } from "../../apps/hub/model.js";
import { FakeHub, large, small } from "./serve.js";

export const weights = Buffer.from(Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) % 251));
export const config = Buffer.from('{"model_type": "moe_llava_phi"}');
export const NAME = "JsST/Med-MoE/stage3";

/** A hub with a model as it is released, and an empty cache: new ones for each test. */
export class HubAndCache {
  fake!: FakeHub;
  env!: Record<string, string>;
  scratch!: string;

  constructor() {
    beforeEach(async () => {
      this.scratch = mkdtempSync(join(tmpdir(), "consilium-hub-"));
      this.fake = await FakeHub.open("JsST/Med-MoE");
      this.fake.add("stage3/config.json", config);
      this.fake.add("stage3/model.safetensors", weights);
      this.fake.add("router.pth", weights);
      this.fake.listed.push(large("stage3/pytorch_model.bin", weights), small("stage3/training_args.bin", config));
      this.env = { HF_ENDPOINT: this.fake.host, CONSILIUM_CACHE: join(this.scratch, "cache") };
    });
    afterEach(async () => {
      await this.fake.close();
      rmSync(this.scratch, { recursive: true });
    });
  }

  /** The model's folder in the cache. */
  readonly fetched = async (options = {}): Promise<string> => (await findModel(NAME, options, this.env)).path;

  /** Requests for the weights. */
  readonly weightsRequests = (): string[] =>
    this.fake.requests.filter((request) => request.includes("/resolve/") && request.includes("safetensors"));

  /** Where a transfer of the weights is kept until it is complete. */
  readonly part = (): string =>
    join(this.scratch, "cache/JsST/Med-MoE", this.fake.commit, "stage3/model.safetensors.part");
}
