import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Device, io, nn, openDevice } from "../../../engine/index.js";
import { stateDict } from "../../../models/miss/checkpoint.js";
import { type MissConfig, presets } from "../../../models/miss/config.js";
import { writeModelFolder } from "../../../models/miss/model-folder.js";
import { MissNetwork } from "../../../models/miss/network.js";
import { saveAdapter } from "../../../models/peft/save-adapter.js";

const pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "yes", "no", "##s"];
const config: MissConfig = {
  ...presets.tiny,
  ...{ vocab: pieces.length + 2, pad: 0, sep: 3, dec: pieces.length, enc: pieces.length + 1 },
  ...{ imageSize: 8, visionWidth: 8, visionDepth: 1, visionHeads: 2, visionMlp: 8 },
  ...{ hidden: 8, layers: 1, heads: 2, intermediate: 8, maxPositions: 40 },
};

let opened: Promise<Device> | null = null;
/** Of all cases: what a reader leaves on it is gone with its tensors. */
export const device = (): Promise<Device> => {
  opened ??= openDevice("reference");
  return opened;
};

/** A network of some thousand parameters. */
export const tinyNetwork = async (): Promise<MissNetwork> =>
  new MissNetwork(new nn.Initializer(await device(), 1), config);

/** What `write` puts into a folder, by name. */
async function filesOf(write: (folder: string) => Promise<unknown>): Promise<Record<string, Uint8Array>> {
  const folder = mkdtempSync(join(tmpdir(), "consilium-fuzz-sample-"));
  try {
    await write(folder);
    return Object.fromEntries(
      readdirSync(folder).map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The folder of a model. */
export const modelFiles = (): Promise<Record<string, Uint8Array>> =>
  filesOf(async (folder) => {
    using network = await tinyNetwork();
    const answering = { method: "generate", beams: 1, maxLength: 3, maskQuestionPads: false } as const;
    await writeModelFolder(folder, { config, scaling: "ordinary", answering, pieces });
    await io.writeSafetensors(`${folder}/model.safetensors`, stateDict(network));
  });

/** The folder of an adapter of its decoder, which `add` makes. */
export const adapterFiles = (add: (root: MissNetwork["text_decoder"], init: nn.Initializer) => unknown) =>
  filesOf(async (folder) => {
    using network = await tinyNetwork();
    add(network.text_decoder, new nn.Initializer(await device(), 2));
    await saveAdapter(folder, network.text_decoder);
  });
