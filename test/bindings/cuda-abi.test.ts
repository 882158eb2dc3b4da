import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { required } from "../support/devices.js";

/** The addon is built without CUDA's header, from declarations of its own: where there is one, they are compared. */
const include = `${process.env.CUDA_HOME ?? "/usr/local/cuda"}/include`;
const root = fileURLToPath(new URL("../../", import.meta.url));

test.skipIf(!existsSync(`${include}/cuda.h`) && !required.has("nvcc"))(
  "our declarations of the driver API are those of the toolkit's header",
  () => {
    const { status, stderr } = spawnSync(
      process.env.CXX ?? "g++",
      ["-std=c++17", "-fsyntax-only", "-I", root, "-I", include, `${root}test/bindings/cuda-abi.cc`],
      { encoding: "utf8" },
    );
    expect(status, stderr).toBe(0);
  },
);
