import type { FloatDType } from "../../kernels/contract.js";
import type { NamedShape, ShapeSyntax } from "../shapes/parse.js";
import type { Routing } from "../shapes/routing.js";
import type { Task } from "../task.js";

export type Pass = Task["pass"];

/** What a row is made for, besides its shape. */
export interface Request {
  readonly pass: Pass;
  readonly dtype: FloatDType;
  /** Of suites with experts. */
  readonly routing: Routing;
}

/** A row that a suite has by itself. */
export interface OwnShape<S> extends NamedShape<S> {
  /** Default balanced. */
  readonly routing?: Routing;
}

/** What `consilium bench NAME` times. */
export interface Suite<S> extends ShapeSyntax<S> {
  readonly suite: Task["suite"];
  /** Without --shapes. */
  own(): readonly OwnShape<S>[];
  /** Passes of a shape without --pass, and all that it can be asked for. */
  readonly passes: { own(shape: S): readonly Pass[]; readonly possible: readonly Pass[] };
  /** Whether its rows depend on how tokens are spread over experts. */
  readonly routed: boolean;
  /** Throws OptionError for a routing that does not fit the shape. */
  task(shape: S, request: Request): Task;
}

export const TRAINED: readonly Pass[] = ["forward", "forward+backward"];
export const GRADIENTS: readonly Pass[] = ["forward", "backward", "forward+backward"];

/** Whether gradients are computed, and their inputs trained. */
export const trains = (pass: Pass): boolean => pass === "backward" || pass === "forward+backward";

export const typed = <S>(shapes: readonly S[]): OwnShape<S>[] => shapes.map((shape) => ({ shape, set: null }));

/** A suite that takes no shapes: the tasks it has, each of one pass. */
export function fixedSuite(suite: Task["suite"], pass: Pass, tasks: () => readonly Task[]): Suite<Task> {
  return {
    suite,
    forms: [],
    sets: {},
    own: () => typed(tasks()),
    passes: { own: () => [pass], possible: [pass] },
    routed: false,
    task: (task) => task,
  };
}
