import type { nn } from "../../engine/index.js";
import { isTarget } from "./targets.js";

/** Settings by which peft goes past some of the modules that `target_modules` names. */
export interface LeavingOut {
  /** Names, or an expression, of those that are no targets. */
  readonly exclude_modules?: string | readonly string[] | null;
  /** Numbers of the layers that have targets. */
  readonly layers_to_transform?: number | readonly number[] | null;
  /** What the list of layers is called; any name where none is given. */
  readonly layers_pattern?: string | readonly string[] | null;
}

const listOf = <T>(value: T | readonly T[] | null | undefined): readonly T[] =>
  value === undefined || value === null || value === "" ? [] : ([value].flat() as T[]);

/**
 * The modules that peft puts an adapter on for a list of names. Null where an expression decides, which Python reads otherwise than we:
 * then what is in the file does.
 */
export function targeted(
  modules: Iterable<readonly [string, nn.Module]>,
  names: readonly string[],
  { exclude_modules: excluded, layers_to_transform, layers_pattern }: LeavingOut,
): string[] | null {
  const [layers, patterns] = [listOf(layers_to_transform), listOf(layers_pattern)];
  if ((typeof excluded === "string" && excluded !== "") || patterns.some((p) => !/^\w+$/.test(p))) return null;
  const number = new RegExp(`^.*?\\.${patterns.length > 0 ? `(?:${patterns.join("|")})` : "[^.]*"}\\.(\\d+)\\.`);
  return [...modules].flatMap(([path, module]) => {
    if (path === "" || !isTarget(path, module, names) || isTarget(path, module, listOf(excluded))) return [];
    // A whole path is a target whatever its layer.
    if (layers.length === 0 || names.includes(path)) return [path];
    const found = number.exec(path);
    return found && layers.includes(Number(found[1])) ? [path] : [];
  });
}
