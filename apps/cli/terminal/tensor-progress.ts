import { count } from "./format.js";

/** Milliseconds between lines of a log, and between updates of a terminal's one line. */
const [LOG, TERMINAL] = [5000, 100];

/** Reports on standard error how many tensors of a checkpoint are through. */
export function tensorProgress(verb: string): (done: number, of: number) => void {
  const { stderr } = process;
  let shownAt = Number.NEGATIVE_INFINITY;
  return (done, of) => {
    const now = performance.now();
    if (done < of && now - shownAt < (stderr.isTTY ? TERMINAL : LOG)) return;
    shownAt = now;
    const line = `${count(done)} of ${count(of)} tensors ${verb}`;
    stderr.write(stderr.isTTY ? `\r\x1b[K${line}${done === of ? "\n" : ""}` : `${line}\n`);
  };
}
