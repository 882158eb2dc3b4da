import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HostTensors, Peer, PeerCase, Taken } from "../task.js";
import { LineProcess } from "./line-process.js";

/** How a library is started; `hint` is what to do where it is not there. */
export interface ProcessPeer {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** What it is told first: threads, and whatever else it computes by. */
  readonly hello: Readonly<Record<string, unknown>>;
  readonly hint: string;
}

/** A way to compute the task, and its results; or why it does not run. */
interface Form {
  readonly name?: string;
  readonly results?: Readonly<Record<string, string>>;
  readonly note?: string | null;
  readonly error?: string;
}

/** A library in a process of its own, which times its own pieces. Arrays travel as raw files in a temporary folder. */
export async function openProcessPeer({ command, args, env, hello, hint }: ProcessPeer): Promise<Peer> {
  const child = new LineProcess(command, args, env);
  let version: string;
  try {
    version = (await child.request({ request: "hello", ...hello })).version as string;
  } catch (cause) {
    await child.close();
    throw new Error(`${command}: ${(cause as Error).message}. ${hint}.`, { cause });
  }
  const exchange = await mkdtemp(join(tmpdir(), "consilium-bench-"));
  let tasks = 0;
  return {
    version,
    async prepare(task, inputs) {
      const folder = join(exchange, String(tasks++));
      await mkdir(folder);
      try {
        const { op, pass, options, trained } = task;
        const described = await writeInputs(folder, inputs);
        const message = { request: "prepare", op, pass, options, trained, inputs: described, folder };
        const { forms } = (await child.request(message)) as unknown as { forms: readonly Form[] };
        return await Promise.all(forms.map((form, i) => caseOf(child, form, i)));
      } finally {
        await rm(folder, { recursive: true });
      }
    },
    async close() {
      await child.close();
      await rm(exchange, { recursive: true });
    },
  };
}

async function caseOf(child: LineProcess, { name, results = {}, note, error }: Form, form: number): Promise<PeerCase> {
  const values: Record<string, Float32Array> = {};
  for (const [key, file] of Object.entries(results)) values[key] = await readFloats(file);
  let peakBytes: number | null = null;
  return {
    contender: {
      async time(calls) {
        const timed = await child.request({ request: "time", form, calls });
        peakBytes = timed.peakBytes as number | null;
        return timed as unknown as Taken;
      },
      release: async () => void (await child.request({ request: "release", form })),
    },
    results: values,
    peakBytes: () => peakBytes,
    ...(name && { form: name }),
    ...(note && { note }),
    ...(error && { error }),
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
