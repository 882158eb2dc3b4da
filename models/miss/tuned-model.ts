/** Models whose adapters are still apart from their weights: taken out of a run, put beside a model, folded into it. */
import { platform } from "#platform";
import { type Device, io, nn, OptionError } from "../../engine/index.js";
import { folderOf } from "../data/table.js";
import { weightsFile } from "../peft/load-adapter.js";
import { withMergedAdapters } from "../peft/merge.js";
import { trainedParameters } from "../peft/trainable.js";
import { bestFile, openStateOf, restoreParameters, stateFile } from "../training/run-state.js";
import { adapt, PARTS, ROOTS, type Root } from "./adaptation.js";
import { adaptedRoots, adapterFolder, adaptersBeside, findAdapters, loadAdapters, saveAdapters } from "./adapters.js";
import { loadNetwork, stateDict } from "./checkpoint.js";
import { type ModelFolder, readModelFolder, writeModelFolder } from "./model-folder.js";
import { MissNetwork } from "./network.js";
import { type Maker, type Source, sourceOf, writeOrigin } from "./origin.js";
import { readRun } from "./run-file.js";
import { stateSchema } from "./train-state.js";

/** A network with its adapters, and what its folder says besides weights. */
export class TunedModel {
  /** With adapters beside their layers, none merged; in `eval()` mode. */
  readonly network: MissNetwork;
  /** Sizes, vocabulary, how it answers. */
  readonly folder: ModelFolder;
  /** Modules that have an adapter. */
  readonly roots: readonly Root[];

  readonly #sources: readonly Source[];

  private constructor(network: MissNetwork, folder: ModelFolder, sources: readonly Source[]) {
    this.#sources = sources;
    this.network = network.eval();
    this.folder = folder;
    this.roots = adaptedRoots(network);
  }

  /**
   * The chosen weights of a run that tunes by adapters (of its best validation, or its last ones), or a model with adapters beside its
   * weights. Throws OptionError where there are none.
   */
  static async of(path: string, { device }: { device: Device }): Promise<TunedModel> {
    const model = await readModelFolder(path);
    const run = (await platform.exists(stateFile(path))) ? await readRun(path) : null;
    const network = new MissNetwork(new nn.Initializer(device, 0, { empty: true }), model.config);
    try {
      const files: string[] = [];
      if (run) {
        adapt(network, new nn.Initializer(device, 0, { empty: true }), run.adaptation);
        files.push(...(await loadChosen(network, path)));
      } else {
        const adapters = adaptersBeside(path, model);
        files.push(await loadWeights(network, path), ...(await filesOf(adapters)));
        await loadAdapters(network, adapters);
      }
      const tuned = new TunedModel(network, model, [await sourceOf({ of: "model", path, files }, [path])]);
      if (tuned.roots.length > 0) return tuned;
      const how = run
        ? ROOTS.map((root) => `${PARTS[root]} ${run.adaptation[PARTS[root]]}`).join(", ")
        : "its config.json names none";
      throw new OptionError(
        `${path} has no adapters: ${how}. Name a run or a model that was tuned by lora, ia3, prefix or ptv2.`,
      );
    } catch (error) {
      network.dispose();
      throw error;
    }
  }

  /**
   * A model with adapters of files beside its weights; `part` is the module that one of them is for, where its tensors do not tell. Rejects
   * with all that does not fit, as `loadAdapter`.
   */
  static async beside(
    path: string,
    adapters: string,
    { device, part, otherBase }: { device: Device; part?: "vit" | "jtm" | "dec"; otherBase?: boolean },
  ): Promise<TunedModel> {
    const model = await readModelFolder(path);
    const found = await findAdapters(adapters, part);
    const own = adaptersBeside(path, model);
    const twice = [...found.keys()].filter((root) => own.has(root));
    if (twice.length > 0)
      throw new OptionError(
        `${path} has an adapter of ${twice.join(", ")} already. Fold it in first, or take the model without it.`,
      );
    const network = new MissNetwork(new nn.Initializer(device, 0, { empty: true }), model.config);
    try {
      const files = [await loadWeights(network, path), ...(await filesOf(own))];
      await loadAdapters(network, own);
      await loadAdapters(network, found, { otherBase });
      const given = { of: "adapters", path: adapters, files: await filesOf(found) } as const;
      return new TunedModel(network, model, [
        await sourceOf({ of: "model", path, files }, [path]),
        await sourceOf(given, foldersOf(adapters)),
      ]);
    } catch (error) {
      network.dispose();
      throw error;
    }
  }

  /**
   * Writes the adapters alone, a folder of peft's layout for each module, and what they were taken from. `base` says which model they
   * belong to, for people.
   */
  async saveAdapters(out: string, base?: string, maker: Maker = OWN): Promise<void> {
    await saveAdapters(out, this.network, base);
    await this.#writeOrigin(out, maker);
  }

  /** Writes the model without its adapters: what they belong to. Modules that were tuned in full have learned what the adapters have. */
  async saveBase(out: string, maker: Maker = OWN): Promise<void> {
    await this.#write(out, [], maker);
  }

  /** Writes the model, its adapters beside it: what `MissVqa.load` and every command take. */
  async save(out: string, maker: Maker = OWN): Promise<void> {
    await saveAdapters(adapterFolder(out), this.network, out);
    await this.#write(out, this.roots, maker);
  }

  /** Writes the model with its adapters folded in. Throws OptionError for a prefix, which is no change of weights. */
  async saveMerged(out: string, maker: Maker = OWN): Promise<void> {
    const prefixed = (["text_encoder", "text_decoder"] as const).filter((root) => this.network[root].prompt_encoder);
    if (prefixed.length > 0)
      throw new OptionError(
        `The prefix of ${prefixed.join(", ")} stands in front of keys and values: it is no change of weights, and cannot be folded in. Keep it beside the model: consilium adapter import.`,
      );
    await withMergedAdapters(this.network, () => this.#write(out, [], maker));
  }

  #writeOrigin(out: string, maker: Maker): Promise<void> {
    return writeOrigin(out, { format: 1, ...maker, sources: this.#sources });
  }

  async #write(out: string, adapters: readonly Root[], maker: Maker): Promise<void> {
    await this.#writeOrigin(out, maker);
    await writeModelFolder(out, { ...this.folder, adapters });
    await io.writeSafetensors(`${out}/model.safetensors`, stateDict(this.network));
  }

  /** Frees weights and adapters. */
  dispose(): void {
    this.network.dispose();
  }

  /** `using` disposes at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** In origin.json, where nobody says more. */
const OWN: Maker = { command: "TunedModel", versions: {} };

const filesOf = (adapters: ReadonlyMap<Root, string>): Promise<string[]> =>
  Promise.all([...adapters.values()].map(weightsFile));

/** Where it is told what adapters are of: in their folder, or, of one of several or those beside a model, in the one that holds it. */
function foldersOf(adapters: string): string[] {
  const path = adapters.replace(/[\\/]+$/, "");
  const name = path.replace(/^.*[\\/]/, "");
  return [path, ...([...ROOTS, "adapter"].includes(name) ? foldersOf(folderOf(path) || ".") : [])];
}

/** What a step does not change is in the last checkpoint, whichever weights were chosen. Returns the files. */
async function loadChosen(network: MissNetwork, path: string): Promise<string[]> {
  const { state, reader } = await openStateOf(path, stateSchema);
  await using _reader = reader;
  await restoreParameters(reader, [...network.namedParameters()]);
  if (!state.best || !(await platform.exists(bestFile(path)))) return [stateFile(path)];
  await using best = await io.openCheckpoint(bestFile(path));
  await restoreParameters(best, trainedParameters(network));
  return [stateFile(path), bestFile(path)];
}

async function loadWeights(network: MissNetwork, path: string): Promise<string> {
  await using reader = await io.openCheckpoint(path);
  await loadNetwork(network, reader);
  return reader.file;
}
