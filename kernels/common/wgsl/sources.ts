import activation from "./activation.wgsl.js";
import attention from "./attention.wgsl.js";
import attentionKeys from "./attention-keys.wgsl.js";
import attentionTiles from "./attention-tiles.wgsl.js";
import binary from "./binary.wgsl.js";
import exp from "./exp.wgsl.js";
import fault from "./fault.wgsl.js";
import grid from "./grid.wgsl.js";
import integer from "./integer.wgsl.js";
import largest from "./largest.wgsl.js";
import lists from "./lists.wgsl.js";
import math from "./math.wgsl.js";
import philox from "./philox.wgsl.js";
import productRegister from "./product-register.wgsl.js";
import productTiled from "./product-tiled.wgsl.js";
import rank from "./rank.wgsl.js";
import reduce from "./reduce.wgsl.js";
import reduction from "./reduction.wgsl.js";
import storage from "./storage.wgsl.js";

/** The files that a kernel, or one of them, may name in its first line: `// common: grid, reduce`. */
export const commonSources: Readonly<Record<string, string>> = {
  activation,
  attention,
  "attention-keys": attentionKeys,
  "attention-tiles": attentionTiles,
  binary,
  exp,
  fault,
  grid,
  integer,
  largest,
  lists,
  math,
  philox,
  "product-register": productRegister,
  "product-tiled": productTiled,
  rank,
  reduce,
  reduction,
  storage,
};
