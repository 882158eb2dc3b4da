import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export type Reply = Readonly<Record<string, unknown>>;

/** How long a request may take, and what it is for: both are in the error of one that takes longer. */
export interface Limit {
  readonly seconds: number;
  readonly what: string;
}

/** Of a child whose input has ended. */
const CLOSE_SECONDS = 5;

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: Error): void;
  readonly timer: NodeJS.Timeout | undefined;
}

/**
 * A child that answers each JSON line on its stdin with one on descriptor 3: stdout is where libraries print. Its last words
 * on stderr explain its end. One that exceeds a limit, or answers what nobody asked, is killed: what it says from then on
 * could belong to any request.
 */
export class LineProcess {
  readonly #child: ChildProcess;
  readonly #waiting: Waiting[] = [];
  #words = "";
  #end: string | null = null;

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    const child = spawn(command, args, { env, stdio: ["pipe", "ignore", "pipe", "pipe"] });
    this.#child = child;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#words = (this.#words + text).slice(-2000);
    });
    createInterface({ input: child.stdio[3] as NodeJS.ReadableStream }).on("line", (line) => this.#answer(line));
    // A write to a process that is gone; its "close" says why.
    child.stdin?.on("error", () => {});
    child.on("error", (error) => this.#stop(error.message));
    child.on("close", (code, signal) => this.#stop(ending(code, signal, this.#words)));
  }

  /** Why it is gone; null of one that lives. */
  get end(): string | null {
    return this.#end;
  }

  /** Rejects with the child's error, or with why it is gone. Without a limit it waits as long as the child lives. */
  request(message: object, limit?: Limit): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#end !== null) return reject(new Error(this.#end));
      const timer = limit && setTimeout(() => this.#kill(overdue(limit)), 1000 * limit.seconds);
      this.#waiting.push({ resolve, reject, timer });
      this.#child.stdin?.write(`${JSON.stringify(message)}\n`);
    });
  }

  /** Ends its input, which ends it, or else a signal does. */
  close(): Promise<void> {
    const { exitCode, signalCode, pid } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#child.kill("SIGKILL"), 1000 * CLOSE_SECONDS);
      this.#child.once("exit", () => {
        clearTimeout(timer);
        resolve();
      });
      this.#child.stdin?.end();
    });
  }

  #answer(line: string): void {
    const waiting = this.#waiting[0];
    const reply = parsed(line);
    if (!reply || !waiting) {
      this.#kill(`killed after unexpected output: ${line.slice(0, 200)}`);
      return;
    }
    this.#waiting.shift();
    clearTimeout(waiting.timer);
    if (typeof reply.error === "string") waiting.reject(new Error(reply.error));
    else waiting.resolve(reply);
  }

  #kill(reason: string): void {
    this.#stop(reason);
    this.#child.kill("SIGKILL");
  }

  #stop(reason: string): void {
    this.#end ??= reason;
    for (const { reject, timer } of this.#waiting.splice(0)) {
      clearTimeout(timer);
      reject(new Error(this.#end));
    }
  }
}

const overdue = ({ seconds, what }: Limit) => `killed after ${seconds} s in ${what}`;

function ending(code: number | null, signal: string | null, words: string): string {
  const last = words.trim().split("\n").at(-1);
  const how = signal ? `ended by ${signal}` : `ended with exit code ${code}`;
  return last ? `${how}: ${last}` : how;
}

function parsed(line: string): Reply | null {
  try {
    const reply: unknown = JSON.parse(line);
    return typeof reply === "object" && reply !== null && !Array.isArray(reply) ? (reply as Reply) : null;
  } catch {
    return null;
  }
}
