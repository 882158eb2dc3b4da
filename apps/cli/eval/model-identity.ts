/** What tells one model from another: answers of two never stand in one file. */
import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { onFile } from "../../../bindings/platform/node-file-error.js";
import type { MedMoePlaces } from "../options/med-moe-model.js";
import type { StoreSettings } from "./answer-store.js";

/**
 * Of model and parts: on a hub the name with its commit; on this machine the path, and of its files the size and the time of the
 * newest, which another training changes.
 */
export async function identityOf({ folder, parts, names }: MedMoePlaces): Promise<StoreSettings> {
  const paths: Readonly<Record<string, string>> = { model: folder, ...parts };
  const identity: Record<string, string> = {};
  const weights: Record<string, object> = {};
  for (const [part, name] of Object.entries(names)) {
    const path = paths[part];
    const isHere = name === path;
    identity[part] = isHere ? resolve(path) : name;
    if (isHere) weights[part] = await stampOf(path);
  }
  return { ...identity, weights };
}

const SETTINGS = ["config.json", "model.safetensors.index.json", "pytorch_model.bin.index.json"];
const WEIGHTS = /\.(safetensors|bin|pth)$/;

/** Of a file, or of a folder's settings and weights. */
async function stampOf(path: string): Promise<{ bytes: number; written: string }> {
  const isFolder = (await onFile(path, stat(path))).isDirectory();
  const names = isFolder ? (await onFile(path, readdir(path))).filter(isRead) : [""];
  const found = await Promise.all(names.map((name) => onFile(path, stat(join(path, name)))));
  const newest = found.reduce((latest, { mtimeMs }) => Math.max(latest, mtimeMs), 0);
  return { bytes: found.reduce((sum, { size }) => sum + size, 0), written: new Date(newest).toISOString() };
}

const isRead = (name: string) => SETTINGS.includes(name) || WEIGHTS.test(name);
