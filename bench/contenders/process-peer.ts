import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { Peer, PeerCase, Task } from "../task.js";
import { type Limit, LineProcess } from "./line-process.js";
import { readFloats, writeRaw } from "./raw-files.js";

/** How a library is started; `hint` is what to do where it is not there. */
export interface ProcessPeer {
  /** What an error calls it. */
  readonly label: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** What it is told first: threads, and whatever else it computes by. */
  readonly hello: Readonly<Record<string, unknown>>;
  readonly hint: string;
  /** Until it says hello. Default 60: a library reads gigabytes, on a machine that does other things. */
  readonly startSeconds?: number;
  /** Of any other request but `prepare`. */
  readonly limitSeconds: number;
  /** `prepare` and `results` load what a task needs, and may compile it first: how many times as long they may take. */
  readonly patience: number;
}

/** As often as its process may end before its time; then the rest of its rows are blanks. */
const MOST_ENDS = 3;

/** A way to compute the task, or why it does not run. */
const Form = z.object({
  name: z.string().optional(),
  note: z.string().nullable().optional(),
  error: z.string().optional(),
});
const Hello = z.object({ version: z.string() });
const Forms = z.object({ forms: z.array(Form).nonempty() });
/** Files by name. */
const Results = z.object({ results: z.record(z.string(), z.string()) });
const Timed = z.object({
  seconds: z.number().positive(),
  cpuSeconds: z.number().nonnegative().nullable(),
  peakBytes: z.number().nullable(),
});

/**
 * A library in a process of its own, which times its own pieces. Arrays travel as raw files in a temporary folder. A process
 * that crashes, hangs or answers nonsense is a reason for a blank; the next task starts it anew, until that has happened too often.
 */
export async function openProcessPeer(how: ProcessPeer): Promise<Peer> {
  // Before the process, which nobody would end where this fails.
  const exchange = await mkdtemp(join(tmpdir(), "consilium-bench-"));
  let running = await started(how).catch(async (cause: Error) => {
    await rm(exchange, { recursive: true });
    throw new Error(`${how.label}: ${cause.message}. ${how.hint}.`, { cause });
  });
  const { version } = running;
  let tasks = 0;
  let ends = 0;
  const living = async (): Promise<Running> => {
    const { end } = running.child;
    if (end === null) return running;
    ends = Math.min(ends + 1, MOST_ENDS);
    if (ends === MOST_ENDS) throw new Error(`left out after its process ended ${ends} times, the last: ${end}`);
    running = await started(how);
    return running;
  };
  return {
    version,
    async prepare(task, inputs, copies = 1) {
      const peer = await living();
      const folder = join(exchange, String(tasks++));
      await mkdir(folder);
      try {
        const { op, pass, options, trained } = task;
        const described = await writeRaw(folder, inputs);
        const message = { op, pass, options, trained, inputs: described, copies };
        const { forms } = await peer.ask("prepare", message, Forms, titleOf(task));
        return forms.map((form, i) => caseOf(peer, exchange, task, { ...form, number: i }));
      } finally {
        await rm(folder, { recursive: true });
      }
    },
    async close() {
      await running.child.close();
      await rm(exchange, { recursive: true, force: true });
    },
  };
}

/** A process that has said hello. */
interface Running {
  readonly version: string;
  readonly child: LineProcess;
  ask<T>(request: string, message: object, reply: z.ZodType<T>, of?: string): Promise<T>;
}

async function started(how: ProcessPeer): Promise<Running> {
  const { command, args, env, hello, limitSeconds, startSeconds = 60, patience } = how;
  const child = new LineProcess(command, args, env);
  const patient = patience * limitSeconds;
  const limits: Readonly<Record<string, number>> = { hello: startSeconds, prepare: patient, results: patient };
  const ask: Running["ask"] = async (request, message, reply, of) => {
    const limit: Limit = { seconds: limits[request] ?? limitSeconds, what: of ? `${request} of ${of}` : request };
    const got = reply.safeParse(await child.request({ request, ...message }, limit));
    if (!got.success) throw new Error(`what it answered to ${limit.what} is not understood: ${faults(got.error)}`);
    return got.data;
  };
  try {
    return { child, ask, ...(await ask("hello", hello, Hello)) };
  } catch (cause) {
    await child.close();
    throw cause;
  }
}

const titleOf = ({ op, pass, shape }: Task) => `${op} ${pass} ${shape}`;
const faults = ({ issues }: z.ZodError) =>
  issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");

function caseOf(
  { child, ask }: Running,
  exchange: string,
  task: Task,
  { name, note, error, number: form }: z.infer<typeof Form> & { readonly number: number },
): PeerCase {
  const title = name ? `${titleOf(task)} (${name})` : titleOf(task);
  let peakBytes: number | null = null;
  return {
    contender: {
      async time(calls) {
        const timed = await ask("time", { form, calls }, Timed, `${calls} × ${title}`);
        peakBytes = timed.peakBytes;
        // A counter that has not moved tells nothing.
        return { seconds: timed.seconds, cpuSeconds: timed.cpuSeconds || null };
      },
      // What has ended holds nothing; one that ends of it is started anew by the next task.
      release: () => (child.end === null ? ask("release", { form }, z.object({}), title).then(noop, noop) : undefined),
    },
    async results() {
      const folder = await mkdtemp(join(exchange, "results-"));
      try {
        const { results } = await ask("results", { form, folder }, Results, title);
        const values: Record<string, Float32Array> = {};
        for (const [key, file] of Object.entries(results)) values[key] = await readFloats(file);
        return values;
      } finally {
        await rm(folder, { recursive: true });
      }
    },
    peakBytes: () => peakBytes,
    ...(name && { form: name }),
    ...(note && { note }),
    ...(error && { error }),
  };
}

const noop = () => {};
