// The steps of run.mjs in the order of their worth. `missing` says why one cannot run here; `gpu`: it needs one.
import { join } from "node:path";

/** Rows that matter most, each a suite with shapes and a share of the time; in bf16, beside PyTorch. */
const BENCHES = [
  ["matmul", "8192x8192x8192,4096x4096x4096", "torch", 20],
  ["moe", "16384x2048x5632x4x2,4096x2048x5632x4x2", "torch,dense", 40],
  ["attention", "B4H32S4096D64:causal,B4H16S4096D128:causal,B8H16S901D64", "torch", 25],
  ["lora", "8192x4096x4096x16,8192x2048x5632x64", "torch,frozen", 25],
  ["moe-large", "8192x4096x14336x8x2", "torch,dense", 60],
];

/** Small cases of every op: what a sanitizer slows down a hundredfold. */
const SMALL = "cuda f32";

export function stepsOf({ out, host, node }) {
  const vitest = (name, files, filter, seconds, env = {}) => ({
    name,
    command: node,
    args: [
      ...["node_modules/vitest/vitest.mjs", "run", "--project", "best", ...files, "-t", filter],
      ...["--reporter=dot", "--reporter=json", `--outputFile.json=${join(out, `${name}.json`)}`],
    ],
    env: { CONSILIUM_REQUIRE: "cuda", ...env },
    seconds,
    tests: true,
    gpu: true,
    missing: host.gpu ? undefined : "there is no NVIDIA GPU (nvidia-smi)",
  });
  const steps = [
    {
      name: "compile",
      command: node,
      args: ["scripts/cuda-kernels.mjs"],
      env: { CONSILIUM_CUDA: "on" },
      seconds: 360,
      missing: host.kernels ? undefined : host.nvcc ? undefined : "neither nvcc nor compiled kernels are here",
    },
    { name: "devices", command: node, args: ["bin/consilium.js", "devices"], seconds: 30 },
    vitest("tests-ops", ["test/ops.test.ts"], "cuda", 240),
    vitest(
      "tests-kernels",
      ["test/kernels", "test/special-values.test.ts", "test/special-values-fused.test.ts"],
      "cuda",
      120,
    ),
    ...BENCHES.map(([name, shapes, peers, seconds]) => ({
      name: `bench-${name}`,
      command: node,
      args: [
        ...["bin/consilium.js", "bench", name.split("-")[0], "--device", "cuda", "--dtype", "bf16"],
        ...["--shapes", shapes, "--peers", peers, "--budget", `${Math.ceil(seconds / 2)}s`],
        ...["--json", join(out, `bench-${name}.json`)],
      ],
      seconds: 3 * seconds,
      bench: true,
      gpu: true,
      missing: host.gpu ? undefined : "there is no NVIDIA GPU (nvidia-smi)",
    })),
    ...["memcheck", "racecheck", "synccheck", "initcheck"].map((tool) => {
      const step = vitest(`sanitizer-${tool}`, ["test/ops.test.ts"], SMALL, 150, { CONSILIUM_SMALL: "2000" });
      const tools = ["--tool", tool, "--target-processes", "all", "--error-exitcode", "9", "--print-limit", "20"];
      return {
        ...step,
        command: "compute-sanitizer",
        args: [...tools, node, ...step.args],
        missing: step.missing ?? (host.sanitizer ? undefined : "there is no compute-sanitizer"),
      };
    }),
    {
      ...vitest("webgpu-ops", ["test/ops.test.ts"], "webgpu", 150, {
        CONSILIUM_REQUIRE: "webgpu",
        ...(host.vulkan && { VK_DRIVER_FILES: host.vulkan, VK_ICD_FILENAMES: host.vulkan }),
      }),
      missing: host.gpu && host.vulkan ? undefined : "there is no Vulkan driver of NVIDIA",
    },
  ];
  return steps;
}
