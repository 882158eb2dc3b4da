import { fileURLToPath } from "node:url";
import { type Device, io, nn, noGrad, scope } from "../../engine/index.js";
import { type GoldenTensor, readAll } from "../../models/golden/read.js";
import { loadNetwork } from "../../models/miss/checkpoint.js";
import type { MissNetwork } from "../../models/miss/network.js";
import { MissNetwork as Network } from "../../models/miss/network.js";
import { GoldenInputs } from "../../models/miss/verify/inputs.js";
import { configOf, readManifest } from "../../models/miss/verify/manifest.js";

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
export const missFolder = fixture("miss");
export const peftFolder = fixture("peft");

/** The network of the golden tensors. */
export async function tinyNetwork(device: Device): Promise<MissNetwork> {
  const network = new Network(new nn.Initializer(device), configOf(await readManifest(missFolder)));
  await using reader = await io.openCheckpoint(`${missFolder}/miss_tiny.safetensors`);
  await loadNetwork(network, reader);
  return network.eval();
}

export const computed = (): Promise<Map<string, GoldenTensor>> => readAll(`${peftFolder}/computed.safetensors`);

/** The decoder's logits on the golden answers, beside the golden question states. */
export async function decoderLogits({ text_decoder, config }: MissNetwork, device: Device): Promise<Float32Array> {
  const inputs = new GoldenInputs(await readAll(`${missFolder}/inputs.safetensors`), config.pad);
  const states = new GoldenInputs(await readAll(`${missFolder}/expected_full.safetensors`), config.pad);
  using logits = noGrad(() =>
    scope(() => {
      const { answerIds, answerMask, questionMask } = inputs.batch(device);
      const cross = states.tensor(device, "question_states");
      return text_decoder.logits(text_decoder.states(answerIds, { mask: answerMask, cross, crossMask: questionMask }));
    }),
  );
  return (await logits.data()) as Float32Array;
}

/** Layers of a vision transformer, by their names. */
export class Patches extends nn.Module {
  patch_embed: { proj: nn.Layer };
  blocks: { attn: { qkv: nn.LinearLayer; proj: nn.LinearLayer } }[];

  constructor(init: nn.Initializer) {
    super();
    this.patch_embed = { proj: new nn.PatchEmbed(init, 3, 40, 8) };
    this.blocks = [{ attn: { qkv: new nn.Linear(init, 40, 120), proj: new nn.Linear(init, 40, 40) } }];
  }

  static async load(device: Device): Promise<Patches> {
    const model = new Patches(new nn.Initializer(device));
    const all = await readAll(`${missFolder}/miss_tiny.safetensors`);
    for (const [name, p] of model.namedParameters()) p.write(all.get(`visual_encoder.${name}`)?.values ?? []);
    return model;
  }
}
