/** Replaces files, so that a reader sees the old one or the new one. */
import { platform } from "#platform";

/** Writes a text file. */
export const writeText = (path: string, text: string) => platform.writeFile(path, [new TextEncoder().encode(text)]);

/** Writes a JSON document that people may read, too. */
export const writeJson = (path: string, document: object) => writeText(path, `${JSON.stringify(document, null, 2)}\n`);
