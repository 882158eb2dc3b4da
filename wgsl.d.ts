/** A `.wgsl` file: the build writes `<file>.wgsl.js` beside the compiled kernels, bundlers of the sources use its plugin. */
declare module "*.wgsl.js" {
  const source: import("./kernels/contract.js").WgslSource;
  export default source;
}
