/** The adapters of a model in the layout of Hugging Face's peft: a folder for each tuned module, as MILE wraps them one by one. */
import { platform } from "#platform";
import { io, nn } from "../../engine/index.js";
import { CONFIG_FILE } from "../peft/adapter-config.js";
import { type LoadAdapterOptions, loadAdapter, weightsFile } from "../peft/load-adapter.js";
import { adapterTensors } from "../peft/merge.js";
import { saveAdapter } from "../peft/save-adapter.js";
import { ROOTS, type Root } from "./adaptation.js";
import type { ModelFolder } from "./model-folder.js";
import type { MissNetwork } from "./network.js";

/** In a model's folder, where its adapters are. */
export const adapterFolder = (model: string): string => `${model}/adapter`;

/** The adapters beside a model's weights, by module, as its config.json says. */
export const adaptersBeside = (model: string, { adapters = [] }: ModelFolder): Map<Root, string> =>
  new Map(adapters.map((root) => [root, `${adapterFolder(model)}/${root}`]));

/** How peft wraps each module. */
const TASKS = { visual_encoder: undefined, text_encoder: "FEATURE_EXTRACTION", text_decoder: "CAUSAL_LM" } as const;

/** Modules that have an adapter. */
export const adaptedRoots = (network: MissNetwork): Root[] =>
  ROOTS.filter((root) => adapterTensors(network[root]).size > 0);

/** Writes `folder/text_decoder` and so on, one for each of `roots`. `base` says which model they belong to. */
export async function saveAdapters(
  folder: string,
  network: MissNetwork,
  base: string | undefined,
  roots: readonly Root[] = adaptedRoots(network),
): Promise<void> {
  for (const root of roots) await saveAdapter(`${folder}/${root}`, network[root], { base, taskType: TASKS[root] });
}

/** The adapters of a folder by the modules they are for: `folder/text_decoder` and so on. */
async function adaptersIn(folder: string): Promise<Map<Root, string>> {
  const found = new Map<Root, string>();
  for (const root of ROOTS)
    if (await platform.exists(`${folder}/${root}/${CONFIG_FILE}`)) found.set(root, `${folder}/${root}`);
  return found;
}

/** Takes adapters in, each into its module. Rejects as `loadAdapter` does, of several with what is wrong with each of them. */
export async function loadAdapters(
  network: MissNetwork,
  adapters: ReadonlyMap<Root, string>,
  options: LoadAdapterOptions = {},
): Promise<void> {
  // Values come from the files.
  const init = new nn.Initializer([...network.parameters()][0].device, 0, { empty: true });
  const faults: io.FileFormatError[] = [];
  for (const [root, folder] of adapters)
    await loadAdapter(folder, network[root], init, options).catch((error) => {
      if (!(error instanceof io.FileFormatError)) throw error;
      faults.push(error);
    });
  if (faults.length === 1) throw faults[0];
  if (faults.length > 1) throw allOf(faults);
}

/** The folders lie in one. */
const allOf = (faults: readonly io.FileFormatError[]) =>
  new io.FileFormatError(
    faults[0].file.replace(/[\\/][^\\/]*$/, ""),
    `${faults.length} adapters cannot be taken in`,
    `Correct each of them:\n${faults.map(({ message }) => message).join("\n")}`,
  );

const MODULES = { vit: "visual_encoder", jtm: "text_encoder", dec: "text_decoder" } as const satisfies Record<
  string,
  Root
>;

/**
 * The adapters that a path names: those of its modules' folders, or itself one, whose module `part` says or its tensors tell. Throws
 * FileFormatError where neither is there, or nothing tells.
 */
export async function findAdapters(path: string, part?: keyof typeof MODULES): Promise<Map<Root, string>> {
  if (await platform.exists(`${path}/${CONFIG_FILE}`)) {
    const root = part ? MODULES[part] : await moduleOf(path);
    return new Map([[root, path]]);
  }
  const found = await adaptersIn(path);
  const wanted = part ? new Map([...found].filter(([root]) => root === MODULES[part])) : found;
  if (wanted.size > 0) return wanted;
  throw new io.FileFormatError(
    path,
    `it holds no adapter${part ? ` of ${MODULES[part]}` : ""}`,
    `Give a folder with ${CONFIG_FILE}, or one with folders ${ROOTS.join(", ")}`,
  );
}

/** By the names of its tensors; a prefix has none that tell. */
async function moduleOf(folder: string): Promise<Root> {
  await using reader = await io.openCheckpoint(await weightsFile(folder));
  const starts = {
    visual_encoder: /^(blocks|patch_embed)\./,
    text_encoder: /^encoder\./,
    text_decoder: /^(bert|cls)\./,
  };
  const names = reader.names.map((name) => name.replace(/^base_model\.model\./, ""));
  const roots = ROOTS.filter((root) => names.some((name) => starts[root].test(name)));
  if (roots.length === 1) return roots[0];
  throw new io.FileFormatError(
    folder,
    "its tensors do not tell which module it is for",
    "Say it: --part vit, jtm or dec",
  );
}
