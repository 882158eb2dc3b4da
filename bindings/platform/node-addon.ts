import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { NativeAddon } from "../native/addon.js";

const require = createRequire(import.meta.url);

/** The native addon of the package at `root`. Throws, with what to do, where it is missing or of other sources. */
export function loadAddon(root: string): NativeAddon {
  let addon: NativeAddon;
  try {
    addon = require(join(root, "build", "Release", "consilium.node"));
  } catch (cause) {
    // Node adds lines with the modules that asked for it.
    const [reason] = (cause instanceof Error ? cause.message : String(cause)).split("\n");
    throw new Error(`The native addon cannot be loaded (${reason}). Build it with: npx consilium setup`, { cause });
  }
  const sources = join(root, "bindings", "native", "sources.cjs");
  // A deployment without the sources has nothing to compare with.
  if (existsSync(sources) && require(sources).nativeSourcesHash(root) !== addon.sources)
    throw new Error(
      "The native addon was built from other sources than are here now. Build it with: npx consilium setup",
    );
  return addon;
}
