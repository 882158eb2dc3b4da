/** The package where others install it: the tarball, its types, its command, the addon that may be there or not. */
import { readdirSync, readFileSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, normalize } from "node:path";
import { checkPackage, createPackageFromTarballData, type Problem } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tryOpen } from "./support/devices.js";
import { addAddon, clone, installedProject, type Project } from "./support/installed.js";

let project: Project;
beforeAll(() => {
  project = installedProject();
}, 300_000);
afterAll(() => project?.remove());

const node = (args: readonly string[], env?: NodeJS.ProcessEnv) => project.run(process.execPath, args, env);

describe("the tarball", () => {
  test("has what runs, what it was made from, and what builds the addon; nothing of our tests", () => {
    const folders = new Set(project.packed.map((path) => path.split("/")[0]));
    const expected = [
      "apps",
      "bench",
      "bin",
      "bindings",
      "data",
      "dist",
      "docs",
      "engine",
      "kernels",
      "models",
      "scripts",
    ];
    expect([...folders].filter((name) => !name.includes(".") && name !== "LICENSE").sort()).toEqual(expected);
    const ours =
      /\.test\.|^dist\/(test|examples)\/|fixtures|^bench\/results\/|^data\/vqa-rad\/|\.(wgsl|fatbin|node|log)$/;
    const others = /(^|\/)node_modules\/|^bench\/peers\//;
    expect(project.packed.filter((path) => ours.test(path) || others.test(path))).toEqual([]);
    const cuda = ["kernels/layer-norm/forward.cu", "kernels/common/cuda/kernel.cuh", "scripts/cuda-kernels.mjs"];
    expect(project.packed).toEqual(expect.arrayContaining(cuda));
  });

  test("points from compiled files only to sources that it has", () => {
    const sources = new Set(project.packed);
    const maps = project.packed.filter((path) => path.endsWith(".map"));
    expect(maps.length).toBeGreaterThan(100);
    const source = (path: string) => path.replace(/^dist\//, "").replace(/(\.d\.ts|\.js)\.map$/, ".ts");
    expect(maps.filter((path) => !sources.has(source(path)))).toEqual([]);
  });

  test("has what its documents link to, or they say that it is in the repository", () => {
    const documents = project.packed.filter((path) => path.endsWith(".md"));
    expect(documents).toEqual(expect.arrayContaining(["README.md", "CHANGELOG.md", "docs/extending.md"]));
    const astray = documents.flatMap((document) =>
      readFileSync(join(project.installed, document), "utf8")
        .split(/\n\s*\n/)
        .filter((paragraph) => !/in (the|a) (repository|clone)/.test(paragraph))
        .flatMap((paragraph) => [...paragraph.matchAll(/\]\((?!\w+:|#)([^)#]+)/g)])
        .map(([, target]) => normalize(join(dirname(document), target)))
        .filter((target) => !project.packed.includes(target))
        .map((target) => `${document}: ${target}`),
    );
    expect(astray).toEqual([]);
  });

  test("publint finds nothing", async () => {
    const buffer = readFileSync(project.tarball);
    const tarball = buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength) as ArrayBuffer;
    const { messages, pkg } = await publint({ pack: { tarball }, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([]);
  });

  test("every entry point has types, however it is resolved", async () => {
    const found = await checkPackage(createPackageFromTarballData(readFileSync(project.tarball)));
    if (!found.types) throw new Error("no types at all");
    const { exports } = JSON.parse(readFileSync(join(clone, "package.json"), "utf8"));
    expect(Object.keys(found.entrypoints).sort()).toEqual(Object.keys(exports).sort());
    // node10 does not know `exports`. Node 20.19 and later load modules by `require`.
    const ofOldNode = (problem: Problem) =>
      ("resolutionKind" in problem && problem.resolutionKind === "node10") ||
      ("resolutionOption" in problem && problem.resolutionOption === "node10") ||
      problem.kind === "CJSResolvesToESM";
    expect(found.problems.filter((problem) => !ofOldNode(problem))).toEqual([]);
  });
});

describe("its types, in a strict project that checks libraries too", () => {
  const options = { strict: true, skipLibCheck: false, noEmit: true, target: "ES2022", types: [] };
  const ours = createRequire(import.meta.url);
  /** TypeScript 5.6, which the checker of types brings: the oldest that has to do, with a DOM that knows no WebGPU. */
  const older = createRequire(ours.resolve("@arethetypeswrong/core"));
  const settings = {
    bundler: { by: ours, module: "ESNext", moduleResolution: "bundler", lib: ["ES2022", "DOM"] },
    "node16, by an older TypeScript": {
      by: older,
      module: "Node16",
      moduleResolution: "Node16",
      lib: ["ES2022", "DOM"],
    },
    nodenext: { by: ours, module: "NodeNext", moduleResolution: "NodeNext", lib: ["ES2023", "ESNext", "DOM"] },
  };
  const typeTests = readdirSync(join(clone, "test", "types"));

  beforeAll(() => {
    symlinkSync(join(clone, "node_modules", "expect-type"), join(project.folder, "node_modules", "expect-type"));
    for (const name of typeTests)
      project.write(name.replace(/ts$/, "mts"), readFileSync(join(clone, "test", "types", name), "utf8"));
    project.write("required.cts", 'import consilium = require("consilium");\nconsilium.openDevice satisfies object;\n');
  });

  test.each(Object.entries(settings))(
    "%s",
    (name, { by, ...resolution }) => {
      const files = [
        ...typeTests.map((file) => file.replace(/ts$/, "mts")),
        ...(name === "nodenext" ? ["required.cts"] : []),
      ];
      const config = `tsconfig.${name.split(",")[0]}.json`;
      project.write(config, JSON.stringify({ compilerOptions: { ...options, ...resolution }, files }));
      const { code, output } = node([by.resolve("typescript/bin/tsc"), "-p", config]);
      expect(output).toBe("");
      expect(code).toBe(0);
    },
    300_000,
  );
});

const use = (name: string, options = "{}") => `
  const device = await openDevice("${name}", ${options});
  const x = tensor([[1, 2], [3, 4]], { device });
  console.log([...await matmul(x, x).data()].join(" "));
  device.close();`;

/** What `use` prints; Node and Dawn may add warnings. */
const product = { code: 0, output: expect.stringMatching(/^7 10 15 22$/m) };

const ways: Readonly<Record<string, (use: string) => readonly string[]>> = {
  import: (text) => [
    "--input-type=module",
    "-e",
    `import { matmul, openDevice, tensor } from "consilium"; import { MissVqa } from "consilium/models"; MissVqa.load.call; ${text}`,
  ],
  require: (text) => [
    "--input-type=commonjs",
    "-e",
    `const { matmul, openDevice, tensor } = require("consilium"); require("consilium/models").MissVqa.load.call; (async () => {${text}})();`,
  ],
  "a worker thread": (text) => {
    const worker = `import("consilium").then(async ({ matmul, openDevice, tensor }) => {${text}});`;
    return ["-e", `new (require("node:worker_threads").Worker)(${JSON.stringify(worker)}, { eval: true });`];
  },
};

const webgpu = await tryOpen("webgpu");
webgpu.device?.close();

test("every entry point loads by import and by require, as the same module", () => {
  const { exports } = JSON.parse(readFileSync(join(project.installed, "package.json"), "utf8"));
  const names = Object.keys(exports).filter((path) => !path.endsWith(".json"));
  const load = names.map((path) => JSON.stringify(`consilium${path.slice(1)}`));
  const script = `import { createRequire } from "node:module";
    const require = createRequire(import.meta.url);
    for (const name of [${load}]) if (require(name) !== (await import(name))) throw new Error(name);
    console.log("loaded");`;
  project.write("entries.mjs", script);
  expect(node(["entries.mjs"])).toEqual({ code: 0, output: expect.stringMatching(/^loaded$/m) });
});

describe("without a compiler", () => {
  /** A machine that has neither compiler nor CMake. */
  const bare = { PATH: "/nowhere" };

  test.each(Object.keys(ways))("reference runs by %s", (way) => {
    expect(node(ways[way](use("reference")))).toEqual(product);
  });

  test.skipIf(webgpu.reason).each(Object.keys(ways))(`webgpu runs by %s${webgpu.reason}`, (way) => {
    expect(node(ways[way](use("webgpu")))).toEqual(product);
  });

  test("cpu says what to do", () => {
    const { code, output } = node(ways.import(use("cpu")));
    expect(code).not.toBe(0);
    expect(output).toMatch(/The native addon cannot be loaded \(.*\)\. Build it with: npx consilium setup/);
  });

  test("npm's install script says so in one line and lets the installation be", () => {
    const { code, output } = node([join(project.installed, "scripts", "install.mjs")], bare);
    expect(output).toMatch(/^consilium: without device "cpu" \(missing: .*cmake.*\); .* npx consilium setup\n$/);
    expect(code).toBe(0);
  });

  test("`consilium setup` says what is missing and how to get it", () => {
    const { code, output } = node([join(project.installed, "bin", "consilium.js"), "setup"], bare);
    expect(output).toMatch(/^consilium: setup: the native addon cannot be built here: missing: .*cmake.*\. .+\n$/);
    expect(code).toBe(1);
  });
});

describe("the command", () => {
  const consilium = (...args: string[]) => project.run("npx", ["--no", "consilium", ...args]);

  test("helps, as `help` and as `--help`", () => {
    const { code, output } = consilium("help");
    expect(code, output).toBe(0);
    expect(output).toContain("Usage: consilium");
    expect(output).toContain("setup");
  });

  test.each(["demo --fast", "train miss --out run", "eval miss run"])("%s says where the images are", (words) => {
    const { code, output } = consilium(...words.split(" "), "--device", "reference");
    expect(output).toMatch(/^consilium: the images of VQA-RAD are not in the npm package\. .*clone.*data\/vqa-rad/m);
    expect(code).toBe(2);
    expect(readdirSync(project.folder)).not.toContain("run");
  });

  test("bench says where other libraries are compared", () => {
    const bench = (...peers: string[]) =>
      consilium("bench", "matmul", "--device", "reference", "--shapes", "2x2x2", "--budget", "1s", ...peers);
    expect(bench("--peers", "tfjs,torch")).toEqual({
      code: 2,
      output:
        "consilium: bench: other libraries are compared in a clone of the repository: what runs them (bench/peers) is not in the npm package. Run it there, or without --peers tfjs,torch.\n",
    });
    expect(bench()).toEqual({ code: 0, output: expect.stringContaining("2x2x2") });
  });
});

describe("with the addon", () => {
  // Minutes of compilation are a step of CI; otherwise the clone's own addon, which knows the hash of the sources it needs.
  beforeAll(() => {
    if (!process.env.CONSILIUM_COMPILE) return addAddon(project);
    const { code, output } = project.run("npx", ["--no", "consilium", "setup"]);
    expect(code, output).toBe(0);
  }, 600_000);

  test("asks for no memory that is not V8's, which Electron refuses", () => {
    const addon = readFileSync(join(project.installed, "build", "Release", "consilium.node"), "latin1");
    expect(addon).toContain("napi_create_arraybuffer");
    expect(addon).not.toMatch(/napi_create_external_(arraybuffer|buffer)|node_api_create_external/);
  });

  test.each(Object.keys(ways))("cpu runs by %s", (way) => {
    expect(node(ways[way](use("cpu", "{ threads: 2 }")))).toEqual(product);
  });
});
