/** Settings of runs and what programs write of themselves. */
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { readConfigFile } from "../../../apps/cli/options/config-file.js";
import { configText } from "../../../apps/cli/options/config-text.js";
import { type RowRecord, readRecord } from "../../../apps/cli/sweep/record.js";
import { readLock } from "../../../apps/data/lock-file.js";
import { readDocument } from "../../../bench/read-document.js";
import { io } from "../../../engine/index.js";
import { MedMoeRunConfig } from "../../../models/med-moe/training/run-config.js";
import { readMedMoeRun } from "../../../models/med-moe/training/run-file.js";
import { ORIGIN_FILE, readOrigin } from "../../../models/miss/origin.js";
import { PretrainConfig } from "../../../models/miss/pretrain/run-config.js";
import { RunConfig } from "../../../models/miss/run-config.js";
import { readRun } from "../../../models/miss/run-file.js";
import { parseVocabulary } from "../../../models/miss/vocabulary.js";
import { type Format, promise } from "../format.js";
import { text, utf8 } from "../mutations/bytes.js";
import { isJson } from "../mutations/json.js";
import { isYamlMap, mutateYaml } from "../mutations/yaml.js";
import { byName } from "./kinds.js";

const json = (value: object) => utf8(JSON.stringify(value));

const table = { set: "table", file: "rows.csv", columns: { image: "file" }, split: [80, 10, 10] } as const;
const runs = [
  RunConfig.parse({
    data: table,
    epochs: 3,
    augment: [{ name: "word-swap" }],
    adaptation: { jtm: "lora", dec: "ptv2" },
  }),
  MedMoeRunConfig.parse({
    stage: "moe",
    model: "m",
    data: { set: "json", files: ["a.json"] },
    lora: { targets: "ffn" },
  }),
  PretrainConfig.parse({ data: { file: "captions.csv", columns: { captions: ["caption"] } } }),
];

const isMedMoe = (bytes: Uint8Array) => text(bytes).includes('"stage"');

export const runFile: Format = {
  name: "run.json",
  share: 5,
  header: "JSON, an object",
  ...byName,
  samples: () => runs.map((run) => ({ name: "run.json", bytes: json(run) })),
  read: (path, { bytes }) => (isMedMoe(bytes) ? readMedMoeRun(dirname(path)) : readRun(dirname(path))),
};

export const originFile: Format = {
  name: "origin.json",
  share: 2,
  header: "JSON, an object",
  ...byName,
  samples: () => {
    const of = { sha256: { "a/model.safetensors": "0".repeat(64) }, path: "a" };
    const maker = { format: 1, command: "npx consilium adapter merge a --out b", versions: { consilium: "0.1.0" } };
    const first = { ...maker, sources: [{ ...of, of: "model", run: runs[0] }] };
    const second = {
      ...maker,
      sources: [
        { ...of, of: "model", run: runs[2] },
        { ...of, of: "adapters", run: null, origin: first },
      ],
    };
    return [first, second].map((origin) => ({ name: ORIGIN_FILE, bytes: json(origin) }));
  },
  read: (path) => readOrigin(dirname(path)),
};

const shares = { opened: 0.5, closed: 0.75, global: 0.6 };
const row: RowRecord = {
  ...{ version: 1, row: "F-lora-ptv2", seed: 1, done: true, rehearsed: false },
  config: RunConfig.parse({ data: table, epochs: 3, adaptation: { jtm: "lora", dec: "ptv2" } }),
  device: { name: "cpu", description: "AVX2, 2 threads" },
  parameters: { trainable: 5, total: 9 },
  ...{ steps: 6, timedSteps: 5, seconds: 1.5, peakBytes: 2 ** 20, peakRss: 2 ** 27 },
  metrics: { ...shares, details: { global: { correct: 6, total: 10, low: 0.3, high: 0.9 } } },
  majority: { ...shares, opened: null },
  ...{ warnings: ["a warning"], date: "2026-11-27T00:00:00.000Z" },
};

export const sweepRecord: Format = {
  name: "row of a sweep",
  share: 4,
  header: "JSON, an object",
  ...byName,
  samples: () => [
    { name: "row.json", bytes: json(row) },
    { name: "rehearsal.json", bytes: json({ ...row, rehearsed: true, peakRss: null, metrics: null, majority: null }) },
  ],
  read: (path, { name }) => readRecord(dirname(path), name === "rehearsal.json"),
};

/** Settings with their comments, as --print-config writes them. */
const printed = (config: object) =>
  configText(config, { head: ["settings"], groups: {}, fits: () => false, inside: () => null });

export const settingsFile: Format = {
  name: "--config",
  share: 8,
  header: "YAML, a map; JSON, an object",
  samples: () => [
    ...runs.map((run) => ({ name: "settings.yaml", bytes: utf8(printed(run)) })),
    { name: "settings.json", bytes: json(runs[0]) },
  ],
  mutate: (bytes, random, sample) =>
    sample.name.endsWith(".json") ? byName.mutate(bytes, random, sample) : mutateYaml(bytes, random),
  isPastHeader: (bytes, { name }) => (name.endsWith(".json") ? isJson(bytes, "object") : isYamlMap(bytes)),
  async read(path, { bytes }) {
    const { values, file, lineOf } = await readConfigFile(path, "train miss");
    const schema: z.ZodType =
      isMedMoe(bytes) || /^stage:/m.test(text(bytes)) ? MedMoeRunConfig : z.union([RunConfig, PretrainConfig]);
    io.parseWith(schema, values, file, lineOf);
    promise((Object.prototype as { polluted?: boolean }).polluted === undefined, "it changes no prototype");
  },
};

export const vocabulary: Format = {
  name: "vocab.txt",
  share: 2,
  header: "its first piece",
  ...byName,
  samples: () => [{ name: "vocab.txt", bytes: utf8("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\nc\n") }],
  async read(path) {
    parseVocabulary(await io.readText(path, "It is a vocabulary"), path);
  },
};

export const benchDocument: Format = {
  name: "bench document",
  share: 4,
  header: "JSON, an object",
  ...byName,
  samples: () =>
    ["2026-11-23-cascade-lake-launch-1t.json", "2026-11-23-cascade-lake-lora-1t.json"].map((name) => ({
      name: "bench.json",
      bytes: new Uint8Array(readFileSync(`bench/results/${name}`)),
    })),
  read: async (path) => readDocument(path),
};

export const lockFile: Format = {
  name: "data lock",
  share: 1,
  header: "JSON, an object",
  ...byName,
  samples: () => {
    const file = { url: "http://a/b", size: 3, sha256: "0".repeat(64), listed: true, unpacked: { "imgs/a.jpg": 2 } };
    const lock = {
      version: 1,
      source: "slake",
      licence: "CC BY 4.0",
      commit: null,
      files: { "a/b.json": file, c: file },
    };
    return [{ name: "consilium-data.json", bytes: json(lock) }];
  },
  read: (path) => readLock(dirname(path)),
};
