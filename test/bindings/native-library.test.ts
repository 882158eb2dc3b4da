import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { roundTo } from "../../engine/check/fill.js";
import { KernelError } from "../../engine/errors.js";
import {
  ALL_FLOATS,
  type CpuLaunch,
  ceilDiv,
  type FloatDType,
  optional,
  pass,
  read,
  run,
  write,
} from "../../engine/extend.js";
import { scope } from "../../engine/scope.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { tryOpen } from "../support/devices.js";

/** CPU kernels in libraries that others compile: loading, the calling convention, errors. */
const folder = mkdtempSync(join(tmpdir(), "consilium-library-"));
afterAll(() => rmSync(folder, { recursive: true }));
const { device: opened, reason } = await tryOpen("cpu", { debug: true, threads: 3 });
afterAll(() => opened?.close());

const include = fileURLToPath(new URL("../../kernels/include", import.meta.url));
function compile(name: string, source: string): string {
  const library = join(folder, `${name}.so`);
  writeFileSync(join(folder, `${name}.cpp`), source);
  const flags = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-I", include];
  const { status, stderr } = spawnSync("g++", [...flags, join(folder, `${name}.cpp`), "-o", library], {
    encoding: "utf8",
  });
  expect(status, stderr).toBe(0);
  return library;
}

/** Sums of blocks into the scratch memory, then y = x + shift + the sum of all, or its negative where `sign` is given. */
const KERNELS = `
#include <consilium/kernel.h>

struct Params { uint32_t n, blocks; float shift; uint32_t has_sign; };

template <class T>
void shifted_partial(const Params &p, consilium::Cells blocks, const T *x, const T *, T *) {
  auto *sums = static_cast<float *>(blocks.scratch);
  for (size_t block : blocks) {
    sums[block] = 0;
    for (size_t i = block * 16; i < p.n && i < (block + 1) * 16; ++i) sums[block] += x[i];
  }
}
CONSILIUM_KERNEL(shifted_partial)

template <class T>
void shifted_join(const Params &p, consilium::Cells cells, const T *x, const T *sign, T *y) {
  const auto *sums = static_cast<const float *>(cells.scratch);
  float sum = 0;
  for (size_t block = 0; block < p.blocks; ++block) sum += sums[block];
  if ((sign != nullptr) != (p.has_sign == 1)) sum = -1e9f;
  for (size_t i : cells) y[i] = (x[i] + p.shift + sum) * (sign ? float(sign[0]) : 1.0f);
}
CONSILIUM_KERNEL(shifted_join)

template <class T>
void only_f32(const uint32_t &, consilium::Cells cells, const T *x, T *y) {
  for (size_t i : cells) y[i] = x[i];
}
CONSILIUM_KERNEL_FOR(only_f32, f32)
`;

const params = { n: "u32", blocks: "u32", shift: "f32", has_sign: "u32" } as const;
const shifted = (library: string | URL) =>
  pass({
    label: "shifted/forward",
    buffers: { x: read("n"), sign: optional(read("1")), y: write("n") },
    params,
    reference: () => {},
    cpu: {
      library,
      dtypes: ALL_FLOATS,
      scratchBytes: ({ blocks }) => 4 * blocks,
      launches: [
        { symbol: "shifted_partial", cells: ({ blocks }) => blocks, grain: () => 2 },
        { symbol: "shifted_join", cells: ({ n }) => n, grain: () => 64 },
      ],
    },
  });

/** A pass of one launch that copies. */
const copying = (library: string, symbol = "only_f32", dtypes: readonly FloatDType[] = ALL_FLOATS) => {
  const launch: CpuLaunch<{ n: "u32" }> = { symbol, cells: ({ n }) => n };
  const spec = { label: "copying/forward", buffers: { x: read("n"), y: write("n") }, params: { n: "u32" } } as const;
  return pass({ ...spec, reference: () => {}, cpu: { library, dtypes, launches: [launch] } });
};

describe.skipIf(!opened)(`libraries of kernels ${reason}`, () => {
  const device = opened as NonNullable<typeof opened>;
  const library = opened ? compile("kernels", KERNELS) : "";
  const call = (p: ReturnType<typeof copying>, x: Tensor) => run(device, p, { x, y: x.shape }, { n: x.size }).y;
  const failure = (p: ReturnType<typeof copying>, dtype: FloatDType = "f32"): string => {
    using x = tensor([1, 2], { device, dtype });
    try {
      call(p, x);
    } catch (error) {
      expect(error).toBeInstanceOf(KernelError);
      return (error as Error).message;
    }
    return "no error";
  };

  describe.each(ALL_FLOATS)("launches, scratch, params, an absent buffer, in %s", (dtype) => {
    test.each([
      ["by path", library],
      ["by a path from here", relative(process.cwd(), library)],
      ["by URL", pathToFileURL(library)],
      ["by URL in a string", String(pathToFileURL(library))],
    ])("%s", async (_, where) => {
      const n = 1000;
      const round = roundTo[dtype];
      const values = Float32Array.from({ length: n }, (_, i) => round(((i * 37) % 19) / 8 - 1));
      const total = values.reduce((a, b) => a + b, 0);
      const p = shifted(where);
      for (const sign of [null, -2]) {
        const found = scope(() => {
          const x = tensor(values, { device, dtype });
          const factor = sign === null ? null : tensor([sign], { device, dtype });
          const args = { x, sign: factor, y: x.shape };
          const blocks = ceilDiv(n, 16);
          return run(device, p, args, { n, blocks, shift: 0.5, has_sign: sign === null ? 0 : 1 }).y;
        });
        // Multiples of 1/8 below 2^20: every sum is exact, and y rounds once.
        const expected = values.map((v) => round((v + 0.5 + total) * (sign ?? 1)));
        expect(await found.data()).toEqual(expected);
        found.dispose();
      }
      await device.finish();
    });
  });

  test("special values of the half types", async () => {
    const special = [
      0,
      -0,
      1,
      -65504,
      65519,
      65520,
      6e-8,
      2.9e-8,
      3e-8,
      1e-5,
      -6.1e-5,
      1e39,
      -1e39,
      Number.NaN,
      3.4e38,
    ];
    const copies = compile(
      "copies",
      `#include <consilium/kernel.h>
       template <class T> void copy(const uint32_t &, consilium::Cells cells, const T *x, T *y) {
         for (size_t i : cells) y[i] = float(x[i]);
       }
       CONSILIUM_KERNEL(copy)
       template <class T> void narrow(const uint32_t &, consilium::Cells cells, const float *x, T *y) {
         for (size_t i : cells) y[i] = x[i];
       }
       CONSILIUM_KERNEL(narrow)`,
    );
    for (const dtype of ["bf16", "f16"] as const) {
      const narrow = pass({
        label: "narrow/forward",
        buffers: { x: read("n", "f32"), y: write("n") },
        params: { n: "u32" },
        reference: () => {},
        cpu: { library: copies, dtypes: ALL_FLOATS, launches: [{ symbol: "narrow", cells: ({ n }) => n }] },
      });
      using x = tensor(special, { device });
      using y = run(device, narrow, { x, y: x.shape }, { n: x.size }, dtype).y;
      expect([...(await y.data())]).toEqual(special.map((v) => roundTo[dtype](Math.fround(v))));
      using z = call(copying(copies, "copy"), y);
      expect([...(await z.data())]).toEqual([...(await y.data())]);
    }
  });

  test("no such file", () => {
    const path = join(folder, "nothing.so");
    expect(failure(copying(path))).toBe(
      `copying/forward: no library at ${path} (No such file or directory). Compile it there: see consilium/kernel.h`,
    );
  });

  test("a file that is no library", () => {
    const path = join(folder, "text.so");
    writeFileSync(path, "no library");
    expect(failure(copying(path))).toMatch(/^copying\/forward: its library does not load: .*text\.so: /);
  });

  test("a library of something else", () => {
    const path = compile("other", 'extern "C" void only_f32_f32() {}');
    expect(failure(copying(path))).toBe(
      `copying/forward: ${path} is not a library of kernels. Include <consilium/kernel.h> in its source`,
    );
  });

  test("another ABI, until it is compiled anew", async () => {
    const path = compile("older", '#include <cstdint>\nextern "C" uint32_t consilium_kernel_abi() { return 99; }');
    expect(failure(copying(path))).toBe(
      `copying/forward: ${path} was compiled for ABI 99 of kernels, and this is 2. Compile it again with the headers of ` +
        'this package: -I "$(npx consilium include)"',
    );
    compile("older", KERNELS);
    using x = tensor([1, 2], { device });
    using y = call(copying(path), x);
    expect([...(await y.data())]).toEqual([1, 2]);
  });

  test("a symbol that is not there", () => {
    expect(failure(copying(library, "only_f23"))).toBe(
      `copying/forward: ${library} has no symbol only_f23_f32. Export it with CONSILIUM_KERNEL in the library's source.`,
    );
  });

  test("a type that was not compiled, and one that the pass does not name", async () => {
    expect(failure(copying(library), "bf16")).toBe(
      `copying/forward: ${library} has no symbol only_f32_bf16. Export it with CONSILIUM_KERNEL in the library's source.`,
    );
    expect(failure(copying(library, "only_f32", ["f32"]), "f16")).toBe(
      "copying/forward: no cpu kernel for f16. There is one for f32: cast first, or use another device.",
    );
    using x = tensor([1, 2], { device });
    using y = call(copying(library), x);
    expect([...(await y.data())]).toEqual([1, 2]);
  });
});
