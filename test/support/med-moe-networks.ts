import { afterAll } from "vitest";
import { nn, openDevice, type Tensor, tensor } from "../../engine/index.js";
import { loadMedMoe, MedMoeNetwork, type MoeConfig } from "../../models/index.js";
import { goldenMedMoe } from "../med-moe/support.js";

export const FAMILIES = ["stablelm", "phi"] as const;
export type Family = (typeof FAMILIES)[number];

export const valuesOf = async (t: Tensor) => [...(await t.data())];

/** Networks of the golden sizes on the reference device, which is closed after the tests of the file. */
export async function medMoeNetworks() {
  const device = await openDevice("reference");
  afterAll(() => device.close());
  const golden = async (model: Family) => (await loadMedMoe(`${goldenMedMoe}/${model}`, { device })).network;
  return {
    device,
    /** As published. */
    golden,
    /** A fresh one, all layers dense, and the mixtures it could have. */
    async dense(model: Family, seed = 7): Promise<{ network: MedMoeNetwork; moe: MoeConfig }> {
      using loaded = await golden(model);
      const { config, image_tower } = loaded;
      const moe = config.moe as MoeConfig;
      const network = new MedMoeNetwork(new nn.Initializer(device, seed), { ...config, moe: null }, image_tower.config);
      return { network: network.eval(), moe };
    },
    /** Images of its size. */
    pixels(count: number): Tensor {
      const size = count * 3 * 42 * 42;
      const data = Float32Array.from({ length: size }, (_, i) => Math.sin(0.01 * i));
      return tensor(data, { device, shape: [count, 3, 42, 42] });
    },
  };
}
