/** How files are damaged, and what their header is, by their names: for folders of several files. */

import type { Format } from "../format.js";
import { text } from "../mutations/bytes.js";
import { isJson, mutateJson, mutateJsonLines } from "../mutations/json.js";
import { mutateLines } from "../mutations/lines.js";
import { hasSafetensorsHeader, mutateSafetensors } from "../mutations/safetensors.js";
import type { Random } from "../random.js";

type Kind = (bytes: Uint8Array, random: Random) => Uint8Array;

const MUTATIONS: Readonly<Record<string, Kind>> = {
  json: mutateJson,
  jsonl: mutateJsonLines,
  safetensors: mutateSafetensors,
  txt: mutateLines,
};

const HEADERS: Readonly<Record<string, (bytes: Uint8Array) => boolean>> = {
  json: (bytes) => isJson(bytes, "object"),
  jsonl: (bytes) => isJson(new TextEncoder().encode(text(bytes).split("\n", 1)[0])),
  safetensors: hasSafetensorsHeader,
  // Vocabularies begin with the piece for padding, merges with their version.
  txt: (bytes) => /^(\[PAD\]|#version)/.test(text(bytes)),
};

const extensionOf = (name: string) => name.slice(name.lastIndexOf(".") + 1);

export const byName: Pick<Format, "mutate" | "isPastHeader"> = {
  mutate: (bytes, random, { name }) => MUTATIONS[extensionOf(name)](bytes, random),
  isPastHeader: (bytes, { name }) => HEADERS[extensionOf(name)](bytes),
};

/** A sample for each of the files of a folder, the others beside it. */
export const eachOf = (files: Readonly<Record<string, Uint8Array>>, names = Object.keys(files)) =>
  names.map((name) => {
    const { [name]: bytes, ...beside } = files;
    return { name, bytes, beside };
  });
