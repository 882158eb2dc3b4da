import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { benchDocumentSchema } from "../../bench/document.js";
import { consilium, consiliumStoppedAt, temporaryFolder } from "./support.js";

const folder = temporaryFolder();
const file = (name: string) => join(folder, name);
const quickly = ["--threads", "1", "--budget", "1s", "--device", "cpu"];
const bench = (...args: string[]) => consilium(["bench", ...quickly, ...args]);
const read = (name: string) => benchDocumentSchema.parse(JSON.parse(readFileSync(file(name), "utf8")));

describe("bench", () => {
  beforeAll(async () => {
    const { code, stdout, stderr } = await bench(
      ...[
        "moe",
        "--shapes",
        "12,8,12,3,2; 9x8x12x3x2",
        "--routing",
        "zipf",
        "--pass",
        "forward",
        "--peers",
        "loops,ort-lists",
      ],
      ...["--json", file("moe.json"), "--csv", file("moe.csv"), "--html", file("moe.html")],
    );
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/mixtureOfExperts +forward +12x8x12x3x2 zipf /);
    expect(stdout).toContain("ort-lists: it is compared on webgpu, not on cpu");
    expect(stderr).toMatch(
      /^ort-lists is missing: .*\nceilings of the device, 1 s left\n1\/2 mixtureOfExperts forward 12x8x12x3x2, \d+ s left$/m,
    );
  });

  test("writes the same rows as JSON, as CSV and as a page, with what repeats them", () => {
    const { rows, ceilings, environment } = read("moe.json");
    expect(rows.map(({ shape, routing, pass }) => [shape, routing, pass])).toEqual([
      ["12x8x12x3x2", "zipf", "forward"],
      ["9x8x12x3x2", "zipf", "forward"],
    ]);
    for (const row of rows) {
      expect(row.roofline?.share).toBeGreaterThan(0);
      expect(row.phases?.map(({ phase }) => phase)).toContain("routing");
      expect(row.peers.loops).toMatchObject({ ratio: expect.any(Number) });
    }
    expect(ceilings).toHaveLength(1);
    expect(environment.command).toMatch(/^consilium bench .*moe --shapes '12,8,12,3,2; 9x8x12x3x2' --routing zipf /);
    expect(readFileSync(file("moe.csv"), "utf8").split("\n")[0]).toContain("median");
    const html = readFileSync(file("moe.html"), "utf8");
    expect(html).toContain("12x8x12x3x2");
    expect(html).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)/);
  });

  test("its help names the device that it takes by itself", async () => {
    const { stdout } = await consilium(["bench", "--help"]);
    expect(stdout.replace(/\s+/g, " ")).toMatch(/--device <name> where to compute: [^()]*\(default: cpu\)/);
  });

  test("--compare says what moved; --fail-below makes it the exit code", async () => {
    const before = read("moe.json");
    const faster = before.rows.map((row) => ({
      ...row,
      ...{ medianUs: row.medianUs / 50, p10Us: row.p10Us / 50, p90Us: row.p90Us / 50 },
      samplesUs: row.samplesUs?.map((us) => us / 50),
      cpu: undefined,
      othersCpu: 0,
    }));
    writeFileSync(file("faster.json"), JSON.stringify({ ...before, rows: faster }));
    const again = ["moe", "--shapes", "12,8,12,3,2; 9x8x12x3x2", "--routing", "zipf", "--pass", "forward"];
    const slower = await bench(...again, "--compare", file("faster.json"), "--fail-below", "0.5");
    expect(slower.code, slower.stderr).toBe(1);
    expect(slower.stdout).toMatch(/slower/);
    const same = await bench(...again, "--compare", file("moe.json"), "--fail-below", "0.01");
    expect(same.code, same.stderr).toBe(0);
  });

  test("--fail-below says which rows it cannot judge; --fail-unclear makes them a failure", async () => {
    const before = read("moe.json");
    const [first, second] = before.rows.map(({ cpu, ...row }) => ({ ...row, othersCpu: 0 }));
    const blind = { ...second, samplesUs: undefined };
    writeFileSync(file("blind.json"), JSON.stringify({ ...before, rows: [first, blind] }));
    writeFileSync(file("all-blind.json"), JSON.stringify({ ...before, rows: [blind] }));
    const again = ["moe", "--shapes", "12,8,12,3,2; 9x8x12x3x2", "--routing", "zipf", "--pass", "forward"];
    const limit = ["--fail-below", "0.001", "--compare"];
    const lenient = await bench(...again, ...limit, file("blind.json"));
    expect(lenient.code, lenient.stderr).toBe(0);
    expect(lenient.stdout).toContain("--fail-below 0.001: passed, 1 of 2 rows are known to be no slower.");
    expect(lenient.stdout).toContain("1 too noisy to tell, or without samples, and count as passed;");
    const strict = await bench(...again, ...limit, file("blind.json"), "--fail-unclear");
    expect(strict.code, strict.stderr).toBe(1);
    expect(strict.stdout).toContain("--fail-below 0.001: failed, 1 of 2 rows are known to be no slower.");
    const nothing = await bench(...again, ...limit, file("all-blind.json"));
    expect(nothing.code, nothing.stderr).toBe(1);
    expect(nothing.stdout).toContain("and a check of nothing has not passed.");
  });

  test("--threads takes several: one report with the rows of each", async () => {
    const { code, stdout, stderr } = await consilium([
      ...["bench", "matmul", "--shapes", "16x16x16", "--threads", "1,2", "--budget", "1s", "--device", "cpu"],
      ...["--json", file("threads.json"), "--html", file("threads.html")],
    ]);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/^2\/2 matmul forward 16x16x16, 2 threads, \d+ s left$/m);
    expect(stdout).toMatch(/shape +threads +us/);
    for (const threads of [1, 2]) expect(stdout).toMatch(new RegExp(`matmul +forward +16x16x16 +${threads} +\\d`));
    expect(read("threads.json").rows.map(({ threads }) => threads)).toEqual([1, 2]);
    expect(readFileSync(file("threads.html"), "utf8")).toContain("Time by threads: matmul forward 16x16x16");
  });

  test("Ctrl-C writes the rows that are done", async () => {
    const shapes = "8x9x10,5x7x6,4x4x4";
    const args = ["bench", "matmul", "--shapes", shapes, ...quickly, "--json", file("stopped.json")];
    const { code, stderr } = await consiliumStoppedAt(/^2\/3/m, "SIGINT", args);
    expect(code).toBe(130);
    expect(stderr).toContain("stopped; rows that were done: 1.");
    expect(read("stopped.json").interrupted).toBe(true);
    expect(read("stopped.json").rows.map(({ shape }) => shape)).toEqual(["8x9x10"]);
  });

  test("npm run bench leaves a report where no file is named, and never half of one", () => {
    const script = fileURLToPath(new URL("../../scripts/bench.mjs", import.meta.url));
    const shapes = ["matmul", "--shapes", "4x4x4", ...quickly];
    const run = (...args: string[]) =>
      execFileSync(process.execPath, [script, ...shapes, ...args], { cwd: folder, stdio: "pipe" });
    run("--json", "own.json");
    expect(existsSync(file("runs"))).toBe(false);
    run();
    expect(readdirSync(file("runs/bench")).sort()).toEqual(["report.html", "report.json"]);
    expect(read("runs/bench/report.json").environment.command).toMatch(/^consilium bench matmul .*--html runs/);
  });

  test("a missing peer is said before the first row; --fail-missing ends the run there", async () => {
    const args = ["matmul", "--shapes", "4x4x4", "--peers", "ort-lists"];
    const lenient = await bench(...args);
    expect(lenient.code, lenient.stderr).toBe(0);
    expect(lenient.stderr).toMatch(/^ort-lists is missing: it is compared on webgpu, not on cpu\nceilings of/);
    const strict = await bench(...args, "--fail-missing");
    expect([strict.code, strict.stdout]).toEqual([1, ""]);
    expect(strict.stderr).toMatch(/peers that do not start: ort-lists: it is compared on webgpu/);
    expect(strict.stderr).not.toContain("ceilings");
  });

  writeFileSync(file("other.json"), JSON.stringify({ version: 2, hello: "world" }));
  writeFileSync(file("counts.json"), "[1, -2, 3]");
  test.each<[string, string[], RegExp]>([
    ["a suite", ["matmull"], /there is no suite "matmull"\. Did you mean "matmul"\? Suites: .*grouped-gemm/],
    ["a set", ["moe", "--shapes", "mixtral"], /mixtral-8x7b/],
    ["a shape", ["moe", "--shapes", "1,2,3"], /moe.*"1"|moe.*"1,2,3"/],
    ["a shape that kernels cannot count", ["matmul", "--shapes", "70000x70000x8"], /kernels count to 2\^32/],
    ["a peer", ["matmul", "--peers", "torsch"], /unknown peer "torsch"\. Did you mean "torch"\? Known: .*; on cpu: /],
    ["a routing", ["moe", "--routing", "zip"], /--routing "zip": .*Did you mean "zipf"\?/],
    ["a file of counts", ["moe", "--routing", file("counts.json")], /element 1 is -2, not a number from 0 on/],
    ["a kernel", ["matmul", "--kernel", "matmul/forward=none.wgsl"], /there is no such file/],
    ["--fail-below alone", ["matmul", "--fail-below", "0.9"], /--fail-below needs --compare FILE/],
    ["--fail-unclear alone", ["matmul", "--fail-unclear"], /--fail-unclear needs --fail-below RATIO/],
    ["threads that are none", ["matmul", "--threads", "1,0"], /--threads.*whole number from 1 to 1024/],
    ["several threads of a GPU", ["matmul", "--threads", "1,2", "--device", "reference"], /has no threads of ours/],
    ["a share above 1", ["matmul", "--fail-below", "1.5"], /--fail-below 1\.5: it is a ratio above 0 and at most 1/],
    ["a port", ["--page", "--port", "70000"], /--port 70000: it is a number from 0 to 65535/],
    ["a page with rows of its own", ["--page", "--shapes", "8x8x8"], /--shapes: not with --page/],
    ["a file to compare with", ["matmul", "--compare", file("other.json")], /other\.json/],
    ["no file to compare with", ["matmul", "--compare", file("none.json")], /none\.json/],
    ["a folder for the report", ["matmul", "--html", folder], /it is a folder\. Name the file to write/],
    ["a budget", ["matmul", "--budget", "soon"], /60s, 2m, 500ms/],
  ])("refuses %s, and says what there is", async (_, args, message) => {
    const { code, stderr, stdout } = await bench(...args);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n +at /);
    expect([code, stdout]).toEqual([2, ""]);
  });
});
