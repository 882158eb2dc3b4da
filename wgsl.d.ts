/** A `.wgsl` file as a string: the build writes `<file>.wgsl.js` beside the compiled kernels; vitest reads it directly. */
declare module "*.wgsl.js" {
  const source: string;
  export default source;
}
