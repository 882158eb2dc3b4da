import { OptionError } from "../../engine/index.js";
import { didYouMean } from "../../engine/io/nearest.js";

/** A way to type a shape: how it looks, with an example, and what the named groups of the pattern make. */
export interface ShapeForm<S> {
  readonly form: string;
  readonly pattern: RegExp;
  /** Throws BadShape for sizes that cannot be. */
  make(groups: Record<string, string | undefined>): S;
}

/** Sizes of a shape that cannot be; the message goes behind the shape. */
export class BadShape extends Error {}

/** Published shapes by name; the size is what a set sweeps. May throw BadShape for a size. */
export type ShapeSets<S> = Readonly<Record<string, (size?: number) => readonly S[]>>;

/** A shape, and the set that it is of; null where it was typed. */
export interface NamedShape<S> {
  readonly shape: S;
  readonly set: string | null;
}

/** How a suite's shapes are written. */
export interface ShapeSyntax<S> {
  readonly suite: string;
  readonly forms: readonly ShapeForm<S>[];
  readonly sets: ShapeSets<S>;
}

/** Sets are written small; typed shapes begin with a digit or a capital letter. */
const SET = /^(?<name>[a-z][a-z0-9.-]*)(@(?<size>\d+))?$/;

/** The name in a set's text, with its size behind @; null for other text. */
export function setNamed(text: string): { name: string; size?: number } | null {
  const found = SET.exec(text)?.groups;
  return found ? { name: found.name, ...(found.size !== undefined && { size: Number(found.size) }) } : null;
}

/**
 * The shapes of a list: with commas, semicolons or blanks between them. Numbers with commas between them, as many as a mixture
 * has (T,d,n,E,k), are one shape, so that the next stands behind a semicolon or a blank.
 */
export function shapeList(text: string): string[] {
  const parts = text
    .trim()
    .replace(/\s*([,;])\s*/g, "$1")
    .split(/[;\s]/);
  return parts.flatMap((part) => (/^\d+(,\d+){4}$/.test(part) ? [part.replaceAll(",", "x")] : part.split(",")));
}

/** Throws OptionError that shows the forms, or the sets there are and the nearest. */
export function parseShapes<S>(text: string, syntax: ShapeSyntax<S>): NamedShape<S>[] {
  return shapeList(text).flatMap((shape) => parseShape(shape, syntax));
}

function parseShape<S>(text: string, { suite, forms, sets }: ShapeSyntax<S>): NamedShape<S>[] {
  const fail = (problem: string) => new OptionError(`bench ${suite}: ${problem}`);
  const made = <R>(make: () => R): R => {
    try {
      return make();
    } catch (error) {
      throw error instanceof BadShape ? fail(`shape "${text}": ${error.message}.`) : error;
    }
  };
  const named = setNamed(text);
  if (named) {
    const { name, size } = named;
    const names = Object.keys(sets);
    if (names.length > 0 && !Object.hasOwn(sets, name))
      throw fail(`there is no set "${name}". ${didYouMean(name, names)}${setsText(names)}`);
    if (size === 0) throw fail(`the size of "${text}" is 0.`);
    if (names.length > 0) return made(() => sets[name](size)).map((shape) => ({ shape, set: name }));
  }
  for (const { pattern, make } of forms) {
    const groups: Record<string, string | undefined> | undefined = pattern.exec(text)?.groups;
    if (!groups) continue;
    for (const [letter, digits] of Object.entries(groups))
      if (/^0+$/.test(digits ?? "")) throw fail(`${letter} of shape "${text}" is 0.`);
    return [{ shape: made(() => make(groups)), set: null }];
  }
  throw fail(`shape "${text}" is not of the form ${forms.map(({ form }) => form).join(", nor of ")}.`);
}

/** The sets, their laptop versions in a word. */
export function setsText(names: readonly string[]): string {
  const minis = names.some((name) => name.endsWith("-mini"));
  const large = names.filter((name) => !name.endsWith("-mini"));
  return `Sets: ${large.join(", ")}${minis ? "; each also as NAME-mini, and with a size as NAME@SIZE" : ""}.`;
}
