/** Where the tensors of a model lie: its own checkpoint, and files that bring some of them separately. */
import type { io } from "../../../engine/index.js";
import { PROJECTOR_PREFIX, TOWER_PREFIX } from "./names.js";

/** An open file, and what it calls a tensor of the published state dict; null for one that is none of its business. */
interface Source {
  readonly reader: io.CheckpointReader;
  nameOf(published: string): string | null;
}

/** The published state dict from several files; what was added last is looked at first. */
export class Weights {
  readonly #sources: Source[] = [];

  /** A file in the published layout. */
  add(reader: io.CheckpointReader): void {
    this.#sources.unshift({ reader, nameOf: (name) => (reader.has(name) ? name : null) });
  }

  /** `mm_projector.bin`: whatever stands before `mm_projector.` in its names does not count. */
  addProjector(reader: io.CheckpointReader): void {
    const known = new Map(reader.names.map((name) => [name.replace(/^.*mm_projector\./, ""), name]));
    const nameOf = (name: string) =>
      name.startsWith(PROJECTOR_PREFIX) ? (known.get(name.slice(PROJECTOR_PREFIX.length)) ?? null) : null;
    this.#sources.unshift({ reader, nameOf });
  }

  /** A checkpoint of CLIP, its text half with it or not. */
  addTower(reader: io.CheckpointReader): void {
    const nameOf = (name: string) => {
      const own = name.startsWith(TOWER_PREFIX) ? name.slice(TOWER_PREFIX.length) : null;
      return own !== null && reader.has(own) ? own : null;
    };
    this.#sources.unshift({ reader, nameOf });
  }

  /** A router file, `fc1.weight` [E, width] and `fc1.bias`: the same one in every mixture. */
  addRouter(reader: io.CheckpointReader): void {
    const nameOf = (name: string) => {
      const [, kind] = /\.gate\.wg\.(weight|bias)$/.exec(name) ?? [];
      return kind && reader.has(`fc1.${kind}`) ? `fc1.${kind}` : null;
    };
    this.#sources.unshift({ reader, nameOf });
  }

  /** The tensor of that published name, and the file it lies in; null where there is none. */
  find(published: string): { tensor: io.StoredTensor; file: string } | null {
    for (const { reader, nameOf } of this.#sources) {
      const name = nameOf(published);
      if (name !== null) return { tensor: reader.get(name), file: reader.file };
    }
    return null;
  }

  has(published: string): boolean {
    return this.find(published) !== null;
  }

  async close(): Promise<void> {
    for (const { reader } of this.#sources) await reader.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
