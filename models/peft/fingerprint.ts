import type { nn } from "../../engine/index.js";
import { sha256 } from "../data/digest.js";
import { baseParameters } from "./merge.js";

/** SHA-256 of the names, sizes and values of a model without its adapters. Adapters must not be merged. */
export async function fingerprint(root: nn.Module): Promise<string> {
  const lines: string[] = [];
  for (const [name, p] of baseParameters(root)) {
    const values = await p.data();
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    lines.push(`${name} ${p.shape} ${await sha256(bytes)}`);
  }
  return sha256(new TextEncoder().encode(lines.sort().join("\n")));
}
