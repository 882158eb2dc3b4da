/// <reference types="vite/client" />
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Runs a script in the package's own folder, where "consilium" names the package itself: the built one. */
function node(kind: "commonjs" | "module", script: string): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [`--input-type=${kind}`, "-e", script], {
    cwd: root,
    encoding: "utf8",
  });
  expect(status, stderr).toBe(0);
  return stdout.trim();
}

describe("the package", () => {
  const use = `
    const device = await openDevice("cpu", { threads: 2 });
    const x = tensor([[1, 2], [3, 4]], { device });
    console.log([...await matmul(x, x).data()].join(" "));
    device.close();`;

  test("by import", () => {
    const names = `import { matmul, openDevice, tensor } from "consilium"; import { MissVqa } from "consilium/models";`;
    expect(node("module", `${names} if (typeof MissVqa.load !== "function") throw 1; ${use}`)).toBe("7 10 15 22");
  });

  test("by require", () => {
    const names = `const { matmul, openDevice, tensor } = require("consilium"); require("consilium/models").MissVqa.load;`;
    expect(node("commonjs", `${names} (async () => {${use}})();`)).toBe("7 10 15 22");
  });

  test("in a worker thread, which ends by itself", () => {
    const worker = `import("consilium").then(async ({ matmul, openDevice, tensor }) => {${use}});`;
    const script = `new (require("node:worker_threads").Worker)(${JSON.stringify(worker)}, { eval: true });`;
    expect(node("commonjs", script)).toBe("7 10 15 22");
  });
});

const texts = import.meta.glob<string>(["../{kernels,bindings,engine,models}/**/*.ts"], {
  query: "?raw",
  import: "default",
  eager: true,
});

describe("imports run one way", () => {
  test.each([
    ["kernels/", /engine|bindings|models|apps|bench|^node:|^#/],
    ["bindings/", /\/engine\/|\/models\/|\/apps\/|\/bench\//],
    ["bindings/webgpu/", /^node:/],
    ["bindings/platform/browser", /^node:|\/node/],
    ["engine/", /\/models\/|\/apps\/|\/bench\/|^node:|\.node$/],
    ["models/", /\/apps\/|\/bench\/|^node:|\/kernels\/|\/engine\/(?!index\.js$)/],
  ])("%s", (folder, forbidden) => {
    const files = Object.entries(texts).filter(([path]) => path.startsWith(`../${folder}`));
    expect(files.length).toBeGreaterThan(5);
    const wrong = files.flatMap(([path, text]) =>
      [...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)]
        .filter(([, name]) => forbidden.test(name))
        .map(([, name]) => `${path}: ${name}`),
    );
    expect(wrong).toEqual([]);
  });
});
