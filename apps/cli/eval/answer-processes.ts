import { type ChildProcess, fork } from "node:child_process";
import { platform } from "#platform";
import type { DeviceChoice } from "../../../engine/index.js";
import type { Conversation, MedMoeAnswer } from "../../../models/index.js";
import type { Answerer, AnswerJob, Used } from "./answerer.js";

/** A device for a process of its own. */
export interface ProcessDevice {
  readonly device: DeviceChoice;
  readonly threads?: number;
  /** Bytes. */
  readonly memory?: number;
}

/** What a process is told. */
export type Request =
  | {
      readonly type: "open";
      readonly job: AnswerJob;
      readonly device: ProcessDevice;
      readonly questions: readonly Conversation[];
      readonly file: string;
    }
  | { readonly type: "ask"; readonly question: Conversation }
  | { readonly type: "close" };

/** What it says to each request. */
export type Reply =
  | { readonly type: "opened"; readonly description: string }
  | { readonly type: "answer"; readonly answer: MedMoeAnswer }
  | { readonly type: "closed"; readonly used: Used }
  | { readonly type: "error"; readonly message: string };

/**
 * The devices of a list: `threads` of the cores and `memory`, where nothing is said, are shared out evenly. A GPU of cuda has
 * memory of its own: a process on it takes what is free.
 */
export function shareOut(
  devices: readonly DeviceChoice[],
  { threads, memory }: { readonly threads?: number; readonly memory?: number },
): ProcessDevice[] {
  const onCpu = devices.filter((device) => device === "cpu").length;
  const onHost = devices.filter((device) => !device.startsWith("cuda"));
  const share = Math.floor((0.9 * platform.memoryLimit) / onHost.length);
  return devices.map((device) => ({
    device,
    threads: threads ?? (device === "cpu" ? Math.max(1, Math.floor(platform.cores / onCpu)) : undefined),
    memory: memory ?? (onHost.includes(device) ? share : undefined),
  }));
}

/** A process for each device, each with the model loaded. One that cannot be opened ends them all. */
export async function openProcesses(
  job: AnswerJob,
  devices: readonly ProcessDevice[],
  questions: readonly Conversation[],
  file: string,
): Promise<Answerer[]> {
  const processes = devices.map((device, i) => new AnswerProcess(`process ${i} (${device.device})`));
  try {
    const opened = await Promise.all(
      processes.map((one, i) => one.request("opened", { type: "open", job, device: devices[i], questions, file })),
    );
    for (const [i, { description }] of opened.entries())
      process.stderr.write(`device of process ${i}: ${devices[i].device} (${description})\n`);
    return processes;
  } catch (error) {
    for (const one of processes) one.kill();
    throw error;
  }
}

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

/** A worker: one request at a time. */
class AnswerProcess implements Answerer {
  readonly #name: string;
  readonly #child: ChildProcess;
  #waiting: Waiting | null = null;
  #ended: Error | null = null;

  constructor(name: string) {
    this.#name = name;
    // Its standard output is nobody's: results are this process's to write.
    this.#child = fork(new URL("./answer-process.js", import.meta.url), {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#child.on("message", (reply: Reply) => this.#settle(({ resolve }) => resolve(reply)));
    this.#child.on("error", (error) => this.#end(`${this.#name} did not start: ${error.message}`));
    this.#child.on("exit", (code, signal) =>
      this.#end(`${this.#name} ended ${signal ? `by ${signal}` : `with exit code ${code}`}`),
    );
  }

  async ask(question: Conversation, signal: AbortSignal): Promise<MedMoeAnswer> {
    signal.throwIfAborted();
    const stop = () => this.#settle(({ reject }) => reject(signal.reason));
    signal.addEventListener("abort", stop, { once: true });
    try {
      return (await this.request("answer", { type: "ask", question })).answer;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  async close(): Promise<Used> {
    try {
      return (await this.request("closed", { type: "close" })).used;
    } finally {
      this.kill();
    }
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async request<T extends Reply["type"]>(type: T, request: Request): Promise<Extract<Reply, { type: T }>> {
    const reply = await new Promise<Reply>((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      this.#waiting = { resolve, reject };
      this.#child.send(request);
    });
    if (reply.type === "error") throw new Error(reply.message);
    if (reply.type !== type) throw new Error(`${this.#name} said "${reply.type}" where "${type}" was due.`);
    return reply as Extract<Reply, { type: T }>;
  }

  #settle(how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting) how(waiting);
  }

  #end(text: string): void {
    this.#ended ??= new Error(`${text}. It may have run out of memory: use fewer devices, or --dtype bf16.`);
    const error = this.#ended;
    this.#settle(({ reject }) => reject(error));
  }
}
