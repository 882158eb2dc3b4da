import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export type Reply = Readonly<Record<string, unknown>>;

/**
 * A child that answers each JSON line on its stdin with one on descriptor 3: stdout is where libraries print. Its last words
 * on stderr explain its end.
 */
export class LineProcess {
  readonly #child: ChildProcess;
  readonly #waiting: { resolve(reply: Reply): void; reject(error: Error): void }[] = [];
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
    child.on("close", (code, signal) =>
      this.#stop(this.#words.trim().split("\n").at(-1) || `ended with ${signal ?? code}`),
    );
  }

  /** Rejects with the child's error, or with why it is gone. */
  request(message: object): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#end !== null) return reject(new Error(this.#end));
      this.#waiting.push({ resolve, reject });
      this.#child.stdin?.write(`${JSON.stringify(message)}\n`);
    });
  }

  /** Ends its input, which ends it. */
  close(): Promise<void> {
    if (this.#end !== null) return Promise.resolve();
    return new Promise((resolve) => {
      this.#child.once("close", () => resolve());
      this.#child.stdin?.end();
    });
  }

  #answer(line: string): void {
    const waiting = this.#waiting.shift();
    if (!waiting) return;
    try {
      const reply = JSON.parse(line) as Reply;
      if (typeof reply.error === "string") waiting.reject(new Error(reply.error));
      else waiting.resolve(reply);
    } catch {
      waiting.reject(new Error(`unexpected output: ${line}`));
    }
  }

  #stop(reason: string): void {
    this.#end ??= reason;
    for (const { reject } of this.#waiting.splice(0)) reject(new Error(this.#end));
  }
}
