/** Parameters by their published names, out of a checkpoint. */
import { io, nn, type Tensor } from "../../engine/index.js";
import { interpolatePositions } from "../images/position-embedding.js";

/** What loading did beside copying. */
export interface LoadReport {
  /** The vision positions were interpolated to the model's image size. */
  readonly interpolated: boolean;
  /** Names of the file that the model does not know. */
  readonly unused: readonly string[];
  /** Tied names of the file that say something else than the parameter's own name; they won. */
  readonly disagreeing: readonly string[];
  /** Parameters that the file does not have: they keep their first values. Only where that was allowed. */
  readonly missing: readonly string[];
  /** Parameters that the file has in another shape, both shapes said: they keep their first values. Only where that was allowed. */
  readonly skipped: readonly string[];
}

/** How parameters stand in a file. */
export interface StoredNames {
  /** Second names: the file's name and the parameter it is, in the order in which PyTorch copies them. */
  readonly tied: readonly (readonly [string, string])[];
  /** Whether a name may stand in a file beyond those. */
  isExtra(name: string): boolean;
}

export interface LoadOptions {
  /**
   * Parameters that the file lacks, or has in another shape, keep their values, as published code has it. Refused all the
   * same where that is half of them or more: the file is that of another model. Default false: all must be there.
   */
  readonly partial?: boolean;
}

const POSITIONS = /^visual_encoder(_m)?\.pos_embed$/;

/** Where the values of a parameter come from: the last of its names that the file has. */
interface Source {
  readonly stored: io.StoredTensor;
  readonly resized: boolean;
}

/**
 * Writes the values of a file into `parameters`. Vision positions are interpolated to the model's grid. A tied tensor's
 * second name counts where the file has it. What does not fit is listed all at once, before anything is changed.
 */
export async function loadParameters(
  parameters: ReadonlyMap<string, Tensor>,
  reader: io.CheckpointReader,
  { tied, isExtra }: StoredNames,
  { partial = false }: LoadOptions = {},
): Promise<LoadReport> {
  const namesOf = new Map([...parameters.keys()].map((name) => [name, [name]]));
  for (const [second, first] of tied) namesOf.get(first)?.push(second);
  const known = new Set([...namesOf.values()].flat());
  const sources = new Map<string, Source>();
  const missing: string[] = [];
  const skipped: string[] = [];
  const others = new Map<string, { readonly shape: readonly number[] }>();
  for (const [name, p] of parameters) {
    const found = (namesOf.get(name) as string[]).filter((n) => reader.has(n)).map((n) => reader.get(n));
    const source = found.map((stored) => sourceOf(name, stored, p.shape)).findLast((s) => s !== null);
    if (source) sources.set(name, source);
    else if (found.length === 0) missing.push(name);
    else {
      const [{ shape }] = found;
      others.set(name, { shape });
      skipped.push(`${name}: [${shape.join(", ")}] in the file, [${p.shape.join(", ")}] in the model`);
    }
  }
  const unfit = missing.length + skipped.length;
  if (unfit > 0 && (!partial || 2 * unfit >= parameters.size)) {
    const fitting = [...sources.keys()].map((name) => [name, parameters.get(name) as Tensor] as const);
    nn.checkParameters(parameters, new Map([...fitting, ...others]), reader.file);
  }
  const disagreeing: string[] = [];
  for (const [name, { stored, resized }] of sources) {
    const p = parameters.get(name) as Tensor;
    const read = await io.readFloat32(stored);
    const values = resized ? interpolatePositions(read, stored.shape[2], Math.sqrt(p.shape[1] - 1)) : read;
    if (stored.name !== name && reader.has(name) && !sameValues(values, await io.readFloat32(reader.get(name))))
      disagreeing.push(stored.name);
    p.write(values);
  }
  return {
    interpolated: [...sources.values()].some(({ resized }) => resized),
    unused: reader.names.filter((n) => !known.has(n) && !isExtra(n)),
    disagreeing,
    missing,
    skipped,
  };
}

/** Null where the shape is not that of the parameter, nor of positions for another image size. */
function sourceOf(name: string, stored: io.StoredTensor, wanted: readonly number[]): Source | null {
  const { shape } = stored;
  const alike = shape.length === wanted.length;
  if (alike && shape.every((size, i) => size === wanted[i])) return { stored, resized: false };
  const positions = POSITIONS.test(name) && alike && shape[1] !== wanted[1] && shape[2] === wanted[2];
  return positions ? { stored, resized: true } : null;
}

function sameValues(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return a.length === b.length;
}
