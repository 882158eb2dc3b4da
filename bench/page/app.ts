import { type Device, openDevice } from "../../engine/index.js";
import type { BenchDocument } from "../document.js";
import { reportHtml } from "../report/index.js";
import { runTasks } from "../run-tasks.js";
import { tasksOf } from "../suites/index.js";
import { SUITES, type Suite } from "../suites/names.js";
import { roomOf } from "../suites/room.js";
import { pageEnvironment } from "./environment.js";

/** Those that need files of the package, which a page has not. */
const NOT_HERE: ReadonlySet<string> = new Set(["replay"]);

function one<E extends Element>(selector: string): E {
  const found = document.querySelector<E>(selector);
  if (!found) throw new Error(`the page has no ${selector}`);
  return found;
}

const form = one<HTMLFormElement>("form");
const suite = one<HTMLSelectElement>("[name=suite]");
const start = one<HTMLButtonElement>("[name=start]");
const stop = one<HTMLButtonElement>("[name=stop]");
const progress = one<HTMLElement>("#progress");
const failure = one<HTMLElement>("#error");
const result = one<HTMLElement>("#result");

for (const name of SUITES) if (!NOT_HERE.has(name)) suite.add(new Option(name));

/** The rows of a suite as a document, as `consilium bench --json` writes it. */
async function measured(device: Device, signal: AbortSignal): Promise<BenchDocument> {
  const { shapes, seconds } = Object.fromEntries(new FormData(form)) as Record<string, string>;
  const asked = { ...(shapes.trim() !== "" && { shapes }), room: roomOf(device) };
  const { tasks, skipped } = tasksOf(suite.value as Suite, asked);
  const { ceilings, rows, failed } = await runTasks(device, tasks, [], {
    threads: 1,
    dtype: "f32",
    budgetSeconds: Number(seconds),
    signal,
    onProgress({ row, rows: of, text, secondsLeft }) {
      one<HTMLProgressElement>("progress").value = Math.max(0, row) / Math.max(1, of);
      one("#progress p").textContent =
        `${row < 0 ? "" : `${row + 1} of ${of}: `}${text}; ${Math.ceil(secondsLeft)} s left`;
    },
  });
  const found = { ceilings, rows, skipped: [...skipped, ...failed] };
  return { version: 2, ...(signal.aborted && { interrupted: true }), environment: pageEnvironment(device), ...found };
}

function offer(link: HTMLAnchorElement, text: string, type: string): void {
  URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([text], { type }));
}

function show(found: BenchDocument): void {
  const report = reportHtml(found);
  offer(one("#json"), `${JSON.stringify(found, null, 2)}\n`, "application/json");
  offer(one("#html"), report, "text/html");
  one<HTMLIFrameElement>("iframe").srcdoc = report;
  result.hidden = false;
}

function run(device: Device): void {
  const controller = new AbortController();
  stop.onclick = () => controller.abort();
  [start.disabled, stop.disabled, progress.hidden, failure.hidden] = [true, false, false, true];
  measured(device, controller.signal)
    .then(show)
    .catch((error: Error) => {
      failure.textContent = error.message;
      failure.hidden = false;
    })
    .finally(() => {
      [start.disabled, stop.disabled, progress.hidden] = [false, true, true];
    });
}

openDevice("webgpu").then(
  (device) => {
    one("#device").textContent = device.description;
    start.disabled = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      run(device);
    });
  },
  (error: Error) => {
    one("#device").textContent = `WebGPU is not to be had here: ${error.message}`;
  },
);
