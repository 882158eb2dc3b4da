import { OptionError } from "../../engine/index.js";

/** `--shapes` of a suite: its form, an example, and what the named groups of the pattern make. */
export interface ShapeForm<T> {
  readonly suite: string;
  readonly form: string;
  readonly pattern: RegExp;
  make(groups: Record<string, string | undefined>): T;
}

/** Comma-separated shapes; throws OptionError that shows the form. */
export function parseShapes<T>(text: string, { suite, form, pattern, make }: ShapeForm<T>): T[] {
  return text.split(",").map((part) => {
    const shape = part.trim();
    const found = pattern.exec(shape);
    if (!found) throw new OptionError(`bench ${suite}: shape "${shape}" is not of the form ${form}.`);
    const groups: Record<string, string | undefined> = found.groups ?? {};
    for (const [letter, digits] of Object.entries(groups))
      if (/^0+$/.test(digits ?? "")) throw new OptionError(`bench ${suite}: ${letter} of shape "${shape}" is 0.`);
    return make(groups);
  });
}

export function refuseShapes(suite: string, shapes: string | undefined): void {
  if (shapes !== undefined) throw new OptionError(`bench ${suite}: it takes no --shapes; the suites of one op do.`);
}
