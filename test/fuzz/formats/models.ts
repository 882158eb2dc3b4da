/** Folders of models and adapters: one of their files is damaged, the others are sound. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { nn } from "../../../engine/index.js";
import { readClipConfig } from "../../../models/med-moe/folder/describe.js";
import { loadMedMoe } from "../../../models/med-moe/folder/load.js";
import { MissVqa } from "../../../models/miss/miss-vqa.js";
import { adapterNames } from "../../../models/peft/adapters.js";
import { applyIa3 } from "../../../models/peft/ia3.js";
import { loadAdapter } from "../../../models/peft/load-adapter.js";
import { applyLora } from "../../../models/peft/lora.js";
import { applyPrefix } from "../../../models/peft/prefix.js";
import { BYTES, byteBpeJson } from "../../../models/text/byte-bpe.js";
import { loadTokenizer } from "../../../models/text/tokenizer-folder.js";
import { type Format, promise } from "../format.js";
import { utf8 } from "../mutations/bytes.js";
import { byName, eachOf } from "./kinds.js";
import { adapterFiles, device, modelFiles, tinyNetwork } from "./tiny-miss.js";

export const adapters: Format = {
  name: "adapter",
  share: 10,
  header: "adapter_config.json: JSON, an object; the weights: as safetensors",
  ...byName,
  async samples() {
    const targets = ["query", "value"];
    const lora = await adapterFiles((root, init) => applyLora(root, init, targets, { r: 2, alpha: 4 }));
    const ia3 = await adapterFiles((root, init) => applyIa3(root, init, { targets, feedforward: [] }));
    const prefix = await adapterFiles((root, init) => applyPrefix(root, init, { tokens: 3, projection: false }));
    return [lora, ia3, prefix].flatMap((files) => eachOf(files));
  },
  async read(path) {
    using network = await tinyNetwork();
    const { text_decoder: root } = network;
    const names = () => [...root.namedParameters()].map(([name]) => name).join();
    const before = names();
    try {
      await loadAdapter(dirname(path), root, new nn.Initializer(await device(), 3));
      promise(adapterNames(root).length === 1 || root.prompt_encoder !== undefined, "it has an adapter");
    } catch (error) {
      promise(names() === before, "a refused adapter leaves the model as it was");
      throw error;
    }
  },
};

export const missModel: Format = {
  name: "MISS model",
  share: 6,
  header: "config.json: JSON, an object; vocab.txt: its first piece; the weights: as safetensors",
  ...byName,
  samples: async () => eachOf(await modelFiles()),
  async read(path) {
    const model = await MissVqa.load(dirname(path), { device: await device() });
    model.network.dispose();
  },
};

const filesIn = (folder: string, wanted: RegExp): Record<string, Uint8Array> =>
  Object.fromEntries(
    readdirSync(folder)
      .filter((name) => wanted.test(name))
      .map((name) => [name, new Uint8Array(readFileSync(`${folder}/${name}`))]),
  );

const GOLDEN = "test/fixtures/med-moe";

export const medMoeModel: Format = {
  name: "Med-MoE model",
  share: 4,
  header: "config.json and the index: JSON, an object",
  ...byName,
  samples() {
    const towers = (model: string) => `${process.cwd()}/${GOLDEN}/${model}/vision_tower`;
    return ["stablelm", "phi"].flatMap((model) => {
      const files = filesIn(`${GOLDEN}/${model}`, /^(config\.json|model.*)$/);
      const config = JSON.parse(new TextDecoder().decode(files["config.json"]));
      files["config.json"] = utf8(JSON.stringify({ ...config, mm_image_tower: towers(model) }));
      return eachOf(
        files,
        Object.keys(files).filter((name) => name.endsWith(".json")),
      );
    });
  },
  async read(path) {
    const { network } = await loadMedMoe(dirname(path), { device: await device() });
    network.dispose();
  },
};

export const clipConfig: Format = {
  name: "CLIP config",
  share: 2,
  header: "JSON, an object",
  ...byName,
  samples: () => eachOf(filesIn(`${GOLDEN}/phi/vision_tower`, /^config\.json$/)),
  read: (path) => readClipConfig(dirname(path)),
};

export const tokenizer: Format = {
  name: "tokenizer",
  share: 5,
  header: "JSON, an object; merges.txt: its version",
  ...byName,
  samples() {
    const pieces = [...BYTES, "he", "ll", "hell", "hello", "Ġa"];
    const vocab = Object.fromEntries(pieces.map((piece, id) => [piece, id]));
    const merges = ["h e", "l l", "he ll", "hell o", "Ġ a"];
    const added = [{ id: pieces.length, content: "<|endoftext|>", special: true }];
    const whole = byteBpeJson(
      vocab,
      merges.map((line) => line.split(" ") as [string, string]),
      added,
      "arcade100k",
    );
    const json = (value: object) => utf8(JSON.stringify(value));
    const special = {
      "special_tokens_map.json": json({ eos_token: "<|endoftext|>", unk_token: { content: "<|endoftext|>" } }),
    };
    const config = {
      "tokenizer_config.json": json({ added_tokens_decoder: { 261: { content: "<|endoftext|>", special: true } } }),
    };
    const lists = {
      "vocab.json": json(vocab),
      "merges.txt": utf8(["#version: 0.2", ...merges, ""].join("\n")),
      "added_tokens.json": json({ "<|endoftext|>": 261 }),
    };
    return [
      ...eachOf({ ...lists, ...special, ...config }),
      ...eachOf({ "tokenizer.json": json(whole), ...special, ...config }),
    ];
  },
  async read(path) {
    const { tokenizer: found } = await loadTokenizer(dirname(path), "phi");
    const ids = found.encode("hello a world");
    promise(
      ids.every((id) => Number.isInteger(id) && id >= 0 && id < found.size),
      "ids below the size",
    );
    found.decode(ids);
  },
};
