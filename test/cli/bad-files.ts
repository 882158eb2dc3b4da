/** Files and folders with one fault each, for the table of usage.test.ts. */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { io, nn, openDevice } from "../../engine/index.js";
import { stateDict } from "../../models/miss/checkpoint.js";
import { presets } from "../../models/miss/config.js";
import { writeModelFolder } from "../../models/miss/model-folder.js";
import { MissNetwork } from "../../models/miss/network.js";
import { global, pickle, reduce } from "../io/support/pickle-writer.js";
import { zipFile } from "../io/support/zip-writer.js";
import { vqaRad } from "./support.js";

export async function badFiles(folder: string) {
  const write = (name: string, content: string | Uint8Array) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const makeFolder = (name: string) => {
    mkdirSync(join(folder, name));
    return join(folder, name);
  };
  let count = 0;
  const next = (name: string) => `${name}-${++count}`;
  const sound = makeFolder("model");
  await writeTinyModel(sound);
  const image = JSON.parse(readFileSync(join(vqaRad, "organ.json"), "utf8"))[0].image_name as string;
  const ran = join(folder, "ran");

  return {
    nothing: join(folder, "nothing"),
    emptyFolder: makeFolder("empty"),
    emptyTable: write("empty.csv", "question,answer,image\n,yes,none.jpg\n"),
    list: write("list.json", "[1, 2]"),
    brokenJson: write("broken.json", '{\n  "epochs" 1}'),
    unknownKey: write("unknown-key.json", JSON.stringify({ epochs: 1, data: { set: "organ", foldr: "x" } })),
    ran,
    pickle: write(
      "evil.pth",
      zipFile([{ name: "archive/data.pkl", bytes: pickle(reduce(global("posix", "system"), `touch ${ran}`)) }]),
    ),

    /** Two tensors of two floats, 12 bytes of values. */
    safetensors(a: readonly number[], b: readonly number[]): string {
      const entry = (data_offsets: readonly number[]) => ({ dtype: "F32", shape: [2], data_offsets });
      const header = Buffer.from(JSON.stringify({ a: entry(a), b: entry(b) }));
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(header.length));
      return write(next("bad.safetensors"), Buffer.concat([length, header, Buffer.alloc(12)]));
    },

    /** A data folder with this organ.json. */
    rows(json: string): string {
      const data = makeFolder(next("rows"));
      writeFileSync(join(data, "organ.json"), json);
      return data;
    },

    /** The first image of organ.json. */
    image,
    /** All data, with that image missing or spoilt. */
    images(fault: "truncated" | "text" | "folder" | null): string {
      const data = makeFolder(next("images"));
      mkdirSync(join(data, "images"));
      for (const name of ["organ.json", "trainset.json", "testset.json"])
        symlinkSync(join(vqaRad, name), join(data, name));
      for (const name of readdirSync(join(vqaRad, "images")))
        if (name !== image) symlinkSync(join(vqaRad, "images", name), join(data, "images", name));
      const spoilt = join(data, "images", image);
      if (fault === "text") writeFileSync(spoilt, "an image");
      if (fault === "folder") mkdirSync(spoilt);
      if (fault === "truncated") writeFileSync(spoilt, readFileSync(join(vqaRad, "images", image)).subarray(0, 3000));
      return data;
    },

    /** A small model folder, changed. */
    model({ remove, config }: { remove?: string; config?: (text: string) => string }): string {
      const model = join(folder, next("model"));
      cpSync(sound, model, { recursive: true });
      if (remove) rmSync(join(model, remove));
      const file = join(model, "config.json");
      if (config) writeFileSync(file, config(readFileSync(file, "utf8")));
      return model;
    },
  };
}

async function writeTinyModel(folder: string): Promise<void> {
  using device = await openDevice("reference");
  const pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
  const ids = { vocab: pieces.length + 2, pad: 0, sep: 3, dec: 5, enc: 6 };
  const vision = { imageSize: 8, visionWidth: 8, visionDepth: 1, visionHeads: 2, visionMlp: 8 };
  const text = { hidden: 8, layers: 1, heads: 2, intermediate: 8 };
  const config = { ...presets.tiny, ...ids, ...vision, ...text };
  using network = new MissNetwork(new nn.Initializer(device), config);
  const answering = { method: "generate", beams: 1, maxLength: 3, maskQuestionPads: false } as const;
  await writeModelFolder(folder, { config, scaling: "ordinary", answering, pieces });
  await io.writeSafetensors(join(folder, "model.safetensors"), stateDict(network));
}
