import type { InlineConfig } from "vite";

export interface Bundle {
  /** By path from the root of the site. */
  readonly files: ReadonlyMap<string, string | Uint8Array>;
  /** Path of the entry's chunk. */
  readonly entry: string;
}

/** `entry` from the root of the project; `config` says what stands for "consilium": the built package, by default. */
export function bundlePage(entry: string, config?: InlineConfig): Promise<Bundle>;

export const fromSources: InlineConfig;
