/** Every kind of file that the library or the command reads. */
import type { Format } from "../format.js";
import { archive, parquet, runLog } from "./archives.js";
import { legacyPytorch, pytorch, safetensors, shards } from "./checkpoints.js";
import { answers, conversations, forms, routings, tables } from "./data.js";
import { dicom, jpeg, pictures, png } from "./images.js";
import { adapters, clipConfig, medMoeModel, missModel, tokenizer } from "./models.js";
import { benchDocument, lockFile, originFile, runFile, settingsFile, sweepRecord, vocabulary } from "./settings.js";

export const formats: readonly Format[] = [
  ...[safetensors, pytorch, legacyPytorch, shards, adapters],
  ...[missModel, medMoeModel, clipConfig, tokenizer, vocabulary],
  ...[runFile, originFile, sweepRecord, settingsFile, benchDocument, lockFile],
  ...[forms, tables, conversations, answers, routings],
  ...[png, jpeg, dicom, pictures],
  ...[parquet, archive, runLog],
];
