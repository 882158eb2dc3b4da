import activation from "./activation.wgsl.js";
import exp from "./exp.wgsl.js";
import fault from "./fault.wgsl.js";
import grid from "./grid.wgsl.js";
import largest from "./largest.wgsl.js";
import philox from "./philox.wgsl.js";
import reduce from "./reduce.wgsl.js";

/** The files that a kernel may name in its first line: `// common: grid, reduce`. */
export const commonSources: Readonly<Record<string, string>> = {
  activation,
  exp,
  fault,
  grid,
  largest,
  philox,
  reduce,
};
