import { EXIT, Interrupted } from "./exit.js";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Ctrl-C: the first asks the work to stop at the next good place, the second ends the process at once. */
export class Interruption {
  readonly #controller = new AbortController();
  readonly #kept: string;
  readonly #handler = () => {
    if (this.signal.aborted) process.exit(EXIT.interrupted);
    process.stderr.write(`\nStopping at the next safe place. Once more to stop at once, without ${this.#kept}.\n`);
    this.#controller.abort();
  };

  /** `kept` is what the first Ctrl-C keeps and the second does not. */
  constructor(kept = "a checkpoint") {
    this.#kept = kept;
    for (const name of SIGNALS) process.on(name, this.#handler);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Runs `work`; where the signal made it throw, throws Interrupted with `advice` instead: what is true by then. */
  async guard<T>(work: Promise<T>, advice: string | (() => Promise<string>)): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (this.signal.aborted && error === this.signal.reason)
        throw new Interrupted(typeof advice === "string" ? advice : await advice());
      throw error;
    }
  }

  [Symbol.dispose](): void {
    for (const name of SIGNALS) process.off(name, this.#handler);
  }
}
