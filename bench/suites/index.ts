import { OptionError } from "../../engine/index.js";
import { didYouMean } from "../../engine/io/nearest.js";
import type { FloatDType } from "../../kernels/contract.js";
import type { PASSES, SkippedRow } from "../document.js";
import { parseShapes, type ShapeForm, setNamed, setsText, shapeList } from "../shapes/parse.js";
import type { Routing } from "../shapes/routing.js";
import type { Task } from "../task.js";
import { adamw } from "./adamw.js";
import { attention } from "./attention.js";
import { crossEntropy } from "./cross-entropy.js";
import { decode } from "./decode.js";
import { groupedGemm } from "./grouped-gemm.js";
import { launch } from "./launch.js";
import { layerNorm } from "./layer-norm.js";
import { lora } from "./lora.js";
import { matmul } from "./matmul.js";
import { moe } from "./moe.js";
import { SELECTIONS, SUITES, type Suite as SuiteName } from "./names.js";
import { replay } from "./replay.js";
import { ENDLESS, type Room, tooLarge } from "./room.js";
import { routing } from "./routing.js";
import { step } from "./step.js";
import type { OwnShape, Suite } from "./suite.js";

/** Default shapes of each: the cases marked `bench` in its table. */
const suites = {
  moe,
  "grouped-gemm": groupedGemm,
  routing,
  attention,
  decode,
  lora,
  matmul,
  "layer-norm": layerNorm,
  "cross-entropy": crossEntropy,
  adamw,
  step,
  launch,
  replay,
} satisfies Record<Task["suite"], Suite<unknown>>;

/** What can be asked of a row: `both` is the forward and its backward, timed together. */
export const PASS_OPTIONS = {
  forward: "forward",
  backward: "backward",
  both: "forward+backward",
} as const satisfies Record<string, (typeof PASSES)[number]>;

export interface TaskOptions {
  /** Instead of the suite's own: names of sets, or shapes in the suite's forms (bench/README.md). */
  readonly shapes?: string;
  /** How tokens spread over experts, in suites that have some. Default: each row's own, which is balanced but where it says so. */
  readonly routing?: Routing;
  /** Default: the passes that the suite has by itself. */
  readonly pass?: keyof typeof PASS_OPTIONS;
  /** Default f32. */
  readonly dtype?: FloatDType;
  /** Rows that need more are skipped. Default: there is room for all. */
  readonly room?: Room;
}

export interface Tasks {
  readonly tasks: readonly Task[];
  /** Rows that were asked for and cannot be, with the reason. */
  readonly skipped: readonly SkippedRow[];
}

/** The sets that --shapes takes, of one suite or of all. */
export function setNames(suite: Task["suite"] | "all"): readonly string[] {
  const of = (name: Task["suite"]) => Object.keys(suites[name].sets);
  return suite === "all" ? [...new Set(SUITES.flatMap(of))] : of(suite);
}

/** What each number of a shape of the suite is, in order: T, d, n, E, k; empty where the suite takes no such shape. */
export function lettersOf(suite: Task["suite"], shape: string): string[] {
  const forms: readonly ShapeForm<unknown>[] = suites[suite].forms;
  const groups = forms.map(({ pattern }) => pattern.exec(shape)?.groups).find((found) => found !== undefined);
  return Object.entries(groups ?? {}).flatMap(([letter, text]) => (/^\d/.test(text ?? "") ? [letter] : []));
}

/**
 * The rows of a suite, or of all suites: those of its own, or the shapes that are asked for. Throws OptionError for an unknown
 * suite, set, shape, pass or routing. Rows that do not fit the memory, and with `all` those that have not what is asked for, are
 * skipped.
 */
export function tasksOf(suite: SuiteName, options: TaskOptions = {}): Tasks {
  if (suite === "quick") return quick(options);
  if (suite === "all") return join(allSuites(options).map((each) => rowsOf(each, options, true)));
  const found = Object.hasOwn(suites, suite) ? suites[suite] : null;
  if (!found) {
    const names = [...SELECTIONS, ...SUITES];
    throw new OptionError(
      `bench: there is no suite "${suite}". ${didYouMean(suite, names)}Suites: ${names.join(", ")}.`,
    );
  }
  return rowsOf({ suite: found, shapes: options.shapes }, options, false);
}

/** Rows of more take too long for a look at everything. */
const QUICK_FLOPS = 5e9;

/** Of each suite the largest of its own shapes that is quick, where it has one; in the passes that are asked for. */
function quick(options: TaskOptions): Tasks {
  if (options.shapes !== undefined) throw new OptionError("bench quick: it takes no --shapes. Name a suite.");
  return join(
    Object.values(suites).map((suite) => {
      const { tasks, skipped } = rowsOf({ suite, shapes: undefined }, options, true);
      const size = ({ flops, bytes }: Task) => flops || (bytes ?? 0);
      const fits = tasks.filter((task) => size(task) <= QUICK_FLOPS);
      const [largest] = fits.toSorted((a, b) => size(b) - size(a));
      const { name, routing } = largest ?? {};
      return { tasks: tasks.filter((task) => task.name === name && task.routing === routing), skipped };
    }),
  );
}

const join = (parts: readonly Tasks[]): Tasks => ({
  tasks: parts.flatMap(({ tasks }) => tasks),
  skipped: parts.flatMap(({ skipped }) => skipped),
});

interface Asked {
  readonly suite: Suite<unknown>;
  readonly shapes: string | undefined;
}

/** Each suite with those of the sets that it has; shapes that are typed belong to one. */
function allSuites({ shapes }: TaskOptions): Asked[] {
  if (shapes === undefined) return Object.values(suites).map((suite) => ({ suite, shapes }));
  const names = setNames("all");
  const asked = shapeList(shapes);
  for (const text of asked) {
    const set = setNamed(text);
    if (!set)
      throw new OptionError(`bench all: the shape "${text}" belongs to one suite. Name it, or give sets alone.`);
    if (!names.includes(set.name))
      throw new OptionError(
        `bench all: there is no set "${set.name}". ${didYouMean(set.name, names)}${setsText(names)}`,
      );
  }
  return Object.values(suites).flatMap((suite) => {
    const own = asked.filter((text) => Object.hasOwn(suite.sets, setNamed(text)?.name ?? ""));
    return own.length > 0 ? [{ suite, shapes: own.join(" ") }] : [];
  });
}

function rowsOf({ suite, shapes }: Asked, options: TaskOptions, all: boolean): Tasks {
  const { dtype = "f32", room = ENDLESS } = options;
  const name = suite.suite;
  const fail = (problem: string) => new OptionError(`bench ${name}: ${problem}`);
  if (shapes !== undefined && suite.forms.length === 0) throw fail("it takes no --shapes; the suites of one op do.");
  if (options.routing !== undefined && !suite.routed && !all) {
    const routed = Object.values(suites).filter((other) => other.routed);
    throw fail(
      `it has no experts, so no --routing. Those that have: ${routed.map((other) => other.suite).join(", ")}.`,
    );
  }
  const pass = options.pass && PASS_OPTIONS[options.pass];
  const { possible } = suite.passes;
  if (pass && !possible.includes(pass) && !all) throw fail(`it times ${possible.join(", ")} alone, not ${pass}.`);

  const rows: readonly OwnShape<unknown>[] = shapes === undefined ? suite.own() : parseShapes(shapes, suite);
  const tasks: Task[] = [];
  const skipped: SkippedRow[] = [];
  for (const row of rows) {
    const { shape, set } = row;
    const routing = options.routing ?? row.routing ?? "balanced";
    for (const own of pass && possible.includes(pass) ? [pass] : suite.passes.own(shape)) {
      const task: Task = { ...suite.task(shape, { pass: own, dtype, routing }), ...(set !== null && { set }) };
      const tooLong = overflow(task);
      if (tooLong && set === null) throw fail(`shape "${task.shape}": ${tooLong}.`);
      const fixed = dtype !== "f32" && !task.dtypes?.includes(dtype);
      if (fixed && !all) throw fail(`its rows are in f32 alone, not in ${dtype}.`);
      const reason =
        (pass && pass !== own && `it times ${possible.join(", ")} alone, not ${pass}`) ||
        (fixed && `it is in f32 alone, not in ${dtype}`) ||
        tooLong ||
        tooLarge(task, room);
      if (!reason) tasks.push(task);
      else skipped.push({ suite: name, op: task.op, pass: pass ?? own, shape: task.shape, reason });
    }
  }
  return { tasks: distinct(tasks), skipped: distinct(skipped) };
}

/** Kernels count elements in 32 bits. */
function overflow({ needs }: Task): string | null {
  if (!needs || needs.elements < 2 ** 32) return null;
  return `a tensor of ${needs.elements.toLocaleString("en")} elements; kernels count to 2^32`;
}

/** Two sets may share rows; a row is timed once. */
function distinct<R extends { readonly op: string; readonly pass: string; readonly shape: string }>(
  rows: readonly R[],
): R[] {
  const seen = new Set<string>();
  return rows.filter((row) => {
    const { op, pass, shape } = row;
    const key = [op, pass, shape, "routing" in row ? row.routing : ""].join(" ");
    return !seen.has(key) && seen.add(key);
  });
}
