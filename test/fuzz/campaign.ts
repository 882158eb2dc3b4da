/** Damaged files of every kind, read in processes that are watched. */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Work } from "./child.js";
import type { Outcome } from "./read-case.js";

/** What is wrong with a file's reading. */
export interface Fault {
  /** `PNG#17`. */
  readonly name: string;
  readonly what: string;
}

/** What became of the files of a kind. */
export interface Row {
  readonly format: string;
  readonly header: string;
  files: number;
  pastHeader: number;
  parsed: number;
  worstMilliseconds: number;
  /** Bytes beyond twice the file. */
  worstBytes: number;
}

export interface Report {
  readonly rows: readonly Row[];
  readonly faults: readonly Fault[];
}

/** Files of a kind. */
export interface Part {
  readonly format: string;
  readonly header: string;
  readonly from: number;
  readonly to: number;
}

export interface CampaignOptions {
  /** The bundle of child.ts. */
  readonly child: string;
  onRow?(row: Row): void;
}

/** A process that has said nothing for so long hangs: machines that others use are slower than the limit of 5 s. */
const SILENCE = 30_000;

/** A process for all; another one after each that ended, or was ended, in the middle of its work. */
export async function campaign(parts: readonly Part[], { child, onRow }: CampaignOptions): Promise<Report> {
  const scratch = mkdtempSync(join(tmpdir(), "consilium-fuzz-"));
  const rows: Row[] = [];
  const faults: Fault[] = [];
  let reader: ChildProcess | null = null;
  try {
    for (const { format, header, from, to } of parts) {
      const row = { format, header, files: 0, pastHeader: 0, parsed: 0, worstMilliseconds: 0, worstBytes: 0 };
      rows.push(row);
      for (let next = from; next < to; ) {
        reader ??= fork(child, {
          execArgv: ["--expose-gc", "--max-old-space-size=1024"],
          stdio: ["ignore", "inherit", "pipe", "ipc"],
        });
        const end = await work(reader, { format, from: next, to, scratch }, (outcome) => {
          next++;
          add(row, outcome);
          if (outcome.fault) faults.push({ name: outcome.name, what: outcome.fault });
        });
        if (end === null) break;
        // Nobody can be ended twice.
        reader = null;
        faults.push({ name: `${format}#${next}`, what: end });
        row.files++;
        next++;
      }
      onRow?.(row);
    }
    return { rows, faults };
  } finally {
    reader?.disconnect();
    rmSync(scratch, { recursive: true, force: true });
  }
}

function add(row: Row, { isPastHeader, isParsed, milliseconds, bytes, size }: Outcome): void {
  row.files++;
  if (isPastHeader) row.pastHeader++;
  if (isParsed) row.parsed++;
  row.worstMilliseconds = Math.max(row.worstMilliseconds, milliseconds);
  row.worstBytes = Math.max(row.worstBytes, bytes - 2 * size);
}

type Said = Outcome | { ready: true } | { done: true };

/** Null where all is done; how the process ended where it did. Rejects where that was with the sound files. */
function work(reader: ChildProcess, what: Work, onOutcome: (outcome: Outcome) => void): Promise<string | null> {
  return new Promise((resolve, reject) => {
    let [stderr, hangs, isReady] = ["", false, false];
    const patience = () =>
      setTimeout(() => {
        hangs = true;
        reader.kill("SIGKILL");
      }, SILENCE);
    let timer = patience();
    const hear = (said: Said) => {
      clearTimeout(timer);
      if ("done" in said) {
        finish();
        resolve(null);
        return;
      }
      timer = patience();
      if ("name" in said) onOutcome(said);
      else isReady = true;
    };
    const read = (chunk: Buffer) => {
      stderr = (stderr + chunk).slice(-4000);
    };
    const exit = (code: number | null, signal: NodeJS.Signals | null) => {
      finish();
      // Sound files come before the damaged ones.
      if (!isReady) reject(new Error(`${what.format}: ${stderr}`));
      else
        resolve(
          hangs ? `it hangs: nothing for ${SILENCE / 1000} s` : `the process ended (${signal ?? code}): ${stderr}`,
        );
    };
    const finish = () => {
      clearTimeout(timer);
      reader.off("message", hear).off("exit", exit);
      reader.stderr?.off("data", read);
    };
    reader.on("message", hear).on("exit", exit);
    reader.stderr?.on("data", read);
    reader.send(what);
  });
}
