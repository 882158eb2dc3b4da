// The steps of run.mjs in the order of their worth. `missing` says why one cannot run here; `gpu`: it needs one, and
// `rehearsal` is what a dry run does instead.
import { join } from "node:path";

/** Rows that matter most: a suite with shapes, and one in small; in bf16, beside PyTorch. */
export const BENCHES = [
  {
    ...{ name: "matmul", suite: "matmul", peers: "torch", seconds: 20 },
    ...{ shapes: "8192x8192x8192,4096x4096x4096", small: "64x64x64" },
  },
  {
    ...{ name: "moe", suite: "moe", peers: "torch,transformers,dense", seconds: 50 },
    ...{ shapes: "16384x2048x5632x4x2,4096x2048x5632x4x2", small: "64x32x44x4x2" },
  },
  {
    ...{ name: "attention", suite: "attention", peers: "torch", seconds: 25 },
    ...{ shapes: "B4H32S4096D64:causal,B4H16S4096D128:causal,B8H16S901D64", small: "B1H2S16D16:causal" },
  },
  {
    ...{ name: "lora", suite: "lora", peers: "torch,frozen", seconds: 25 },
    ...{ shapes: "8192x4096x4096x16,8192x2048x5632x64", small: "64x32x32x4" },
  },
  {
    ...{ name: "moe-large", suite: "moe", peers: "torch,transformers,dense", seconds: 70 },
    ...{ shapes: "8192x4096x14336x8x2", small: "64x32x44x4x2" },
  },
  // Called steps beside captured ones, in f32, as they are trained: the suite has its own shapes.
  { name: "replay", suite: "replay", peers: "", seconds: 30, shapes: "", small: "" },
];

export function stepsOf({ out, host, node }) {
  const noGpu = host.gpu ? undefined : "there is no NVIDIA GPU (nvidia-smi)";
  const argsOf = (name, files, filter) => [
    ...[
      "node_modules/vitest/vitest.mjs",
      "run",
      "--project",
      "best",
      "--project",
      "one-process",
      ...files,
      "-t",
      filter,
    ],
    ...["--reporter=dot", "--reporter=json", `--outputFile.json=${join(out, `${name}.json`)}`],
  ];
  const vitest = (name, files, filter, seconds, env = {}) => ({
    name,
    command: node,
    args: argsOf(name, files, filter),
    env: { CONSILIUM_REQUIRE: "cuda", ...env },
    seconds,
    tests: true,
    gpu: true,
    missing: noGpu,
    // Every file of tests is loaded, and its tests are found; those of the missing device are skipped, and a simulated one, which
    // takes minutes for all, has those of an op.
    rehearsal: {
      args: argsOf(name, files, host.simulated ? "[lL]ayer-?[nN]orm" : filter),
      env: {},
      missing: undefined,
    },
  });
  return [
    {
      name: "compile",
      command: node,
      args: ["scripts/cuda-kernels.mjs"],
      env: { CONSILIUM_CUDA: "on" },
      seconds: 360,
      // By any nvcc: compiling them again costs time of the GPU.
      missing: host.kernels
        ? "they are compiled"
        : host.nvcc
          ? undefined
          : "neither nvcc nor compiled kernels are here",
      gpu: true,
      rehearsal: {
        args: ["scripts/cuda-kernels.mjs", "fill/value"],
        missing: host.nvcc ? undefined : "there is no nvcc",
      },
    },
    { name: "devices", command: node, args: ["bin/consilium.js", "devices"], seconds: 30 },
    vitest("tests-ops", ["test/ops.test.ts"], "cuda", 240),
    vitest(
      "tests-kernels",
      ["test/kernels", "test/special-values.test.ts", "test/special-values-fused.test.ts"],
      "cuda",
      120,
    ),
    ...BENCHES.map(({ name, suite, shapes, small, peers, seconds }) => {
      const bench = (device, sizes, budget, ...how) => [
        ...["bin/consilium.js", "bench", suite, "--json", join(out, `bench-${name}.json`), "--device", device],
        ...(sizes ? ["--dtype", "bf16", "--shapes", sizes] : []),
        ...["--budget", `${budget}s`, ...how],
      ];
      return {
        name: `bench-${name}`,
        command: node,
        args: bench("cuda", shapes, Math.ceil(seconds / 2), ...(peers ? ["--peers", peers] : [])),
        seconds: 3 * seconds,
        bench: true,
        gpu: true,
        missing: noGpu,
        // A simulated GPU takes minutes for a whole step.
        rehearsal: { args: bench(host.simulated && small ? "cuda" : "cpu", small, 1), missing: undefined },
      };
    }),
    {
      name: "trace",
      command: node,
      args: ["scripts/gpu/trace.mjs", join(out, "trace.json")],
      seconds: 90,
      trace: true,
      gpu: true,
      missing: noGpu,
      // A simulated GPU is traced in small; without one the steps are made all the same.
      rehearsal: {
        ...(host.simulated
          ? { args: ["scripts/gpu/trace.mjs", join(out, "trace.json"), "--step", "small", "--replays", "4"] }
          : { args: ["scripts/gpu/traced.mjs", "cpu", "--replays", "2", "--rounds", "1"], trace: false }),
        missing: undefined,
      },
    },
    ...["memcheck", "racecheck", "synccheck", "initcheck"].map((tool) => {
      const { rehearsal: _, ...step } = vitest(`sanitizer-${tool}`, ["test/ops.test.ts"], "cuda", 150, {
        CONSILIUM_SMALL: "yes",
      });
      const tools = ["--tool", tool, "--target-processes", "all", "--error-exitcode", "9", "--print-limit", "20"];
      return {
        ...step,
        command: host.sanitizer ?? "compute-sanitizer",
        args: [...tools, node, ...step.args],
        missing: step.missing ?? (host.sanitizer ? undefined : "there is no compute-sanitizer"),
      };
    }),
    {
      ...vitest("webgpu-ops", ["test/ops.test.ts"], "webgpu", 150, {
        CONSILIUM_REQUIRE: "webgpu",
        ...(host.vulkan && { VK_DRIVER_FILES: host.vulkan, VK_ICD_FILENAMES: host.vulkan }),
      }),
      missing: noGpu ?? (host.vulkan ? undefined : "there is no Vulkan driver of NVIDIA"),
      rehearsal: undefined,
    },
  ];
}
