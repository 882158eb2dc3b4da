import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HostTensors, Peer } from "../task.js";
import { LineProcess } from "./torch-process.js";

interface PrepareReply {
  readonly results: Readonly<Record<string, string>>;
  readonly note: string | null;
}

/**
 * PyTorch in a process of its own (bench/peers/torch_peer.py), which times its own pieces. CONSILIUM_PYTHON names the
 * interpreter, `python3` where it does not. Arrays travel as raw files in a temporary folder.
 */
export async function openTorch(folder: string, threads: number): Promise<Peer> {
  const python = process.env.CONSILIUM_PYTHON ?? "python3";
  const count = String(threads);
  const child = new LineProcess(python, [join(folder, "torch_peer.py")], {
    ...process.env,
    OMP_NUM_THREADS: count,
    MKL_NUM_THREADS: count,
    OPENBLAS_NUM_THREADS: count,
    // No __pycache__ beside the sources.
    PYTHONDONTWRITEBYTECODE: "1",
  });
  let version: string;
  try {
    version = (await child.request({ request: "hello", threads })).version as string;
  } catch (cause) {
    const hint = "Install PyTorch for it, or name another with CONSILIUM_PYTHON";
    throw new Error(`${python}: ${(cause as Error).message}. ${hint}.`, { cause });
  }
  const exchange = await mkdtemp(join(tmpdir(), "consilium-bench-"));
  let cases = 0;
  return {
    version,
    async prepare(task, inputs) {
      const where = join(exchange, String(cases++));
      await mkdir(where);
      try {
        const { op, pass, options, trained } = task;
        const described = await writeInputs(where, inputs);
        const message = { request: "prepare", op, pass, options, trained, inputs: described, folder: where };
        const reply = (await child.request(message)) as unknown as PrepareReply;
        const results: Record<string, Float32Array> = {};
        for (const [name, file] of Object.entries(reply.results)) results[name] = await readFloats(file);
        let peakBytes: number | null = null;
        return {
          contender: {
            async time(calls) {
              const timed = await child.request({ request: "time", calls });
              peakBytes = timed.peakBytes as number | null;
              return timed.seconds as number;
            },
            release: async () => void (await child.request({ request: "release" })),
          },
          results,
          peakBytes: () => peakBytes,
          ...(reply.note && { note: reply.note }),
        };
      } finally {
        await rm(where, { recursive: true });
      }
    },
    async close() {
      await child.close();
      await rm(exchange, { recursive: true });
    },
  };
}

async function writeInputs(folder: string, inputs: HostTensors) {
  const described = [];
  for (const [i, [name, { shape, values }]] of Object.entries(inputs).entries()) {
    const file = join(folder, `input-${i}`);
    await writeFile(file, values);
    described.push({ name, file, shape, dtype: values instanceof Int32Array ? "i32" : "f32" });
  }
  return described;
}

async function readFloats(file: string): Promise<Float32Array> {
  const { buffer, byteOffset, byteLength } = await readFile(file);
  return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
}
