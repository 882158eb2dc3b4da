/** What a pickle may refer to, and who says so. */
import { FileFormatError } from "./errors.js";
import { Internal } from "./pickle-tree.js";

/** What a global stands for when the pickle calls it. */
export class PickleFunction extends Internal {
  readonly description: string;
  readonly call: (args: unknown[], charge: (items: number) => void) => unknown;

  constructor(name: string, call: PickleFunction["call"]) {
    super();
    this.description = name;
    this.call = call;
  }
}

export interface PickleHost {
  readonly file: string;
  /** Of the whole file, which the pickle may be a part of. */
  readonly fileBytes: number;
  /** The meaning of `module.name`; throws FileFormatError for what is not allowed. */
  global(module: string, name: string): unknown;
  /** The meaning of a persistent id. */
  persistent(id: unknown): unknown;
}

/** The bytes end before the pickle does: more of the file may help. */
export class PickleTruncated extends FileFormatError {}
