import { readFileSync } from "node:fs";
import type { Tensor } from "consilium";
import { ALL_FLOATS, defineOp, float, pass, read, threads, wgsl, write } from "consilium/extend";

const library = new URL("squared-relu.so", import.meta.url);
const fatbin = new URL("squared-relu.fatbin", import.meta.url);
const source = (name: string) => wgsl(readFileSync(new URL(name, import.meta.url), "utf8"));
const cells = ({ n }: { n: number }) => n;
const grid = ({ n }: { n: number }) => [Math.ceil(n / 256), 1, 1] as const;
const block = () => [256, 1, 1] as const;
const launches = (stem: string) => ({
  cpu: { library, dtypes: ALL_FLOATS, launches: [{ symbol: `squared_relu_${stem}`, cells, grain: () => 16384 }] },
  webgpu: { dtypes: ["f32", "f16"] as const, launches: [threads(source(`${stem}.wgsl`), cells)] },
  cuda: { library: fatbin, dtypes: ALL_FLOATS, launches: [{ symbol: `squared_relu_${stem}`, grid, block }] },
});

const forward = pass({
  label: "squared-relu/forward",
  buffers: { x: read("n"), y: write("n") },
  params: { n: "u32" },
  reference: ({ x, y }, { n }) => y.set(x.subarray(0, n).map((v) => Math.max(v, 0) ** 2)),
  ...launches("forward"),
});
const backward = pass({
  label: "squared-relu/backward",
  buffers: { dy: read("n"), x: read("n"), dx: write("n") },
  params: { n: "u32" },
  reference: ({ dy, x, dx }, { n }) => dx.set(x.subarray(0, n).map((v, i) => 2 * Math.max(v, 0) * dy[i])),
  ...launches("backward"),
});

export const squaredReluOp = defineOp({
  name: "squaredRelu",
  inputs: { x: float("...") },
  forward: ({ x }, _options: object, { run }) => ({ ...run(forward, { x, y: x.shape }, { n: x.size }), saves: { x } }),
  gradient: ({ x }, dy, { run }) => ({ x: run(backward, { dy, x, dx: x.shape }, { n: x.size }).dx }),
});

/** max(x, 0)², elementwise: the activation of Primer, arXiv 2109.08668. x [...]. */
export const squaredRelu = (x: Tensor) => squaredReluOp({ x }, {});
