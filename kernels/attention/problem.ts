import type { ParamValues } from "../contract.js";

/** The params of both passes; the layout that pitches and offsets describe is told in kernels.ts. */
export const params = {
  B: "u32",
  L: "u32",
  S: "u32",
  H: "u32",
  G: "u32",
  D: "u32",
  P: "u32",
  causal: "u32",
  scale: "f32",
  dropout: "f32",
  sequence: "u32",
  hasMask: "u32",
  hasPrefix: "u32",
  qPitch: "u32",
  kvPitch: "u32",
  qOffset: "u32",
  kOffset: "u32",
  vOffset: "u32",
  kvCapacity: "u32",
} as const;

export type Sizes = ParamValues<typeof params>;

/** Query rows that share one key/value head: those of all its heads. */
export const rows = ({ L, H, G }: Sizes) => L * (H / G);
