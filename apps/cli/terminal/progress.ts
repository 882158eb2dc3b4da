import type { WriteStream } from "node:tty";
import type { Device } from "../../../engine/index.js";
import type { LoadReport, MedMoeTrainEvent, RunEvent, TrainEvent } from "../../../models/index.js";
import { bytes, clock, count, percent, short } from "./format.js";
import { plot } from "./plot.js";

/** Milliseconds between updates: of the one line of a terminal, and between lines of a log. */
const TERMINAL_INTERVAL = 100;
const LOG_INTERVAL = 5000;
const USUAL_COLUMNS = 80;
/** Weight of the newest loss in the smoothed one, which line and plot show. */
const NEWEST = 0.05;

/** Rows of the plot of the loss, and from how many steps on it is worth them. */
const PLOT_ROWS = 8;
const LEAST_PLOTTED = 20;

/** Names shown of a list. */
const SHOWN = 5;

/** What a user should know of how a checkpoint was loaded; nothing where all of it was copied. */
export function loadNotes(file: string, { interpolated, unused, disagreeing, missing, skipped }: LoadReport): string[] {
  const names = (list: readonly string[]) =>
    list.slice(0, SHOWN).join(", ") + (list.length > SHOWN ? ` and ${count(list.length - SHOWN)} more` : "");
  const kept = (what: string, list: readonly string[]) =>
    list.length
      ? [
          `warning: ${file}: ${count(list.length)} tensors of the model ${what}; they keep random values: ${names(list)}`,
        ]
      : [];
  return [
    ...kept("are not in it", missing),
    ...kept("have another shape in it", skipped),
    ...(interpolated ? [`${file}: vision positions interpolated to this image size`] : []),
    ...(unused.length
      ? [`${file}: ${count(unused.length)} tensors that the model does not have: ${names(unused)}`]
      : []),
    ...(disagreeing.length
      ? [`warning: ${file}: its two names of a tied tensor disagree; used, as PyTorch does: ${names(disagreeing)}`]
      : []),
  ];
}

/** Reports training on standard error: on a terminal one line that changes, the loss plotted above it, a line every few seconds elsewhere. */
export class Progress {
  readonly #device: Device | null;
  readonly #stream: WriteStream;
  #shownAt = Number.NEGATIVE_INFINITY;
  #started = performance.now();
  #first = 0;
  #loss = Number.NaN;
  /** Smoothed, of the steps so far, for the plot. */
  #losses: number[] = [];
  /** Lines above that of the cursor which are written over, too; null where nothing is. */
  #open: number | null = null;
  /** Seconds for which the device had nothing to do since data was not there. */
  waited = 0;

  /** `device`: whose memory is shown; null where nothing is computed. */
  constructor(device: Device | null, stream: WriteStream = process.stderr) {
    this.#device = device;
    this.#stream = stream;
  }

  readonly onEvent = (event: TrainEvent | MedMoeTrainEvent): void => {
    switch (event.type) {
      case "ready":
        this.#started = performance.now();
        this.#shownAt = Number.NEGATIVE_INFINITY;
        this.#first = event.resumedAt;
        this.#losses = [];
        this.#loss = Number.NaN;
        this.note(
          `${count(event.rows)} ${event.unit ?? "questions"}, ${count(event.steps)} steps; ` +
            `${count(event.trainable)} of ${count(event.total)} parameters are trained` +
            (event.resumedAt > 0 ? `; going on at step ${count(event.resumedAt)}` : ""),
        );
        break;
      case "loaded":
        for (const note of loadNotes(event.file, event.report)) this.note(note);
        break;
      case "warning":
        this.note(`warning: ${event.text}`);
        break;
      case "step":
        this.waited += event.waited;
        this.#step(event);
        break;
      case "validation": {
        const { validation } = event;
        const found =
          "best" in event
            ? `validation accuracy ${percent(event.validation.accuracy)}${event.best ? ", the best so far" : ""}`
            : `loss on held-back images ${validation.loss.toFixed(3)}`;
        this.note(`step ${count(validation.step)}, epoch ${validation.epoch}: ${found}`);
        break;
      }
      case "features":
        this.#show(`features: ${count(event.done)}/${count(event.total)} conversations`, event.done === event.total);
        break;
      case "enough":
        this.note(`ended at step ${count(event.step)}: no validation since step ${count(event.best)} was better`);
        break;
      case "saved":
        break;
      default:
        event satisfies never;
    }
  };

  /** For answering questions: `label: 200/451 questions`. */
  answering(label: string): (done: number, total: number) => void {
    return this.counting(label, "questions");
  }

  counting(label: string, unit: string): (done: number, total: number) => void {
    return (done, total) => this.#show(`${label}: ${count(done)}/${count(total)} ${unit}`, done === total);
  }

  /** A line that stays. */
  note(text: string): void {
    this.#clear();
    this.#stream.write(`${text}\n`);
  }

  #step({ step, steps, epoch, loss, lr }: Extract<RunEvent, { type: "step" }>): void {
    this.#loss = Number.isNaN(this.#loss) ? loss : this.#loss + NEWEST * (loss - this.#loss);
    this.#losses.push(this.#loss);
    const rate = (step - this.#first) / ((performance.now() - this.#started) / 1000);
    const parts = [
      `step ${count(step)}/${count(steps)}`,
      `epoch ${epoch}`,
      `smoothed loss ${this.#loss.toFixed(3)}`,
      `lr ${short(lr)}`,
      `${rate.toFixed(1)} steps/s`,
      `${clock((steps - step) / rate)} left`,
      ...(this.#device ? [bytes(this.#device.memory().live)] : []),
    ];
    this.#show(parts.join("  "), step === steps, () => this.#plot(step));
  }

  /** The loss so far, where the terminal is tall enough that it leaves room for what else it said. */
  #plot(step: number): string[] {
    if ((this.#stream.rows || 0) < 3 * PLOT_ROWS || this.#losses.length < LEAST_PLOTTED) return [];
    const ends = [`step ${count(step - this.#losses.length + 1)}`, count(step)] as const;
    return plot(this.#losses, { width: this.#width, height: PLOT_ROWS, format: short, ends });
  }

  /** Some terminals do not know how wide they are, and say 0. */
  get #width(): number {
    return Math.max(1, (this.#stream.columns || USUAL_COLUMNS) - 1);
  }

  #show(text: string, last: boolean, above: () => readonly string[] = () => []): void {
    const now = performance.now();
    const terminal = this.#stream.isTTY;
    if (!last && now - this.#shownAt < (terminal ? TERMINAL_INTERVAL : LOG_INTERVAL)) return;
    this.#shownAt = now;
    if (!terminal) {
      this.#stream.write(`${text}\n`);
      return;
    }
    const lines = above();
    this.#clear();
    this.#stream.write([...lines, text.slice(0, this.#width)].join("\n"));
    this.#open = lines.length;
    if (last) {
      this.#stream.write("\n");
      this.#open = null;
    }
  }

  #clear(): void {
    // Carriage return, lines up, then "erase to the end of the line", or of the screen.
    if (this.#open !== null) this.#stream.write(this.#open > 0 ? `\r\x1b[${this.#open}A\x1b[J` : "\r\x1b[K");
    this.#open = null;
  }
}
