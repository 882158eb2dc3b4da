import { platform } from "#platform";
import { io, nn, type Tensor } from "../../engine/index.js";
import {
  type AdapterConfig,
  CONFIG_FILE,
  type Ia3Config,
  type LoraConfig,
  OLD_WEIGHTS_FILE,
  type PrefixConfig,
  readAdapterConfig,
  unsupported,
  WEIGHTS_FILE,
} from "./adapter-config.js";
import { fingerprint } from "./fingerprint.js";
import { applyIa3 } from "./ia3.js";
import { targeted } from "./left-out.js";
import { applyLora } from "./lora.js";
import { applyPrefix, type TakesPrefix } from "./prefix.js";
import { BASE_KEY } from "./save-adapter.js";
import { isTarget, type Targets } from "./targets.js";

/** How an adapter is taken in. */
export interface LoadAdapterOptions {
  /** Under which name. Default `default`. */
  readonly name?: string;
  /** Takes an adapter, too, that was trained beside other weights of the same sizes. Default false. */
  readonly otherBase?: boolean;
}

/**
 * Reads an adapter of Hugging Face's peft (adapter_config.json beside adapter_model.safetensors or .bin) into `root`: LoRA, IA3, Prefix and
 * P-Tuning v2. It is in use from then on. Returns its settings. Rejects with a FileFormatError that lists every difference between adapter
 * and model at once, before anything is changed: settings that nothing here does, modules and tensors that one of them lacks, other shapes,
 * other weights than it was trained beside where the file says so.
 */
export async function loadAdapter(
  folder: string,
  root: nn.Module,
  init: nn.Initializer,
  { name = nn.DEFAULT_ADAPTER, otherBase = false }: LoadAdapterOptions = {},
): Promise<AdapterConfig> {
  const config = await readAdapterConfig(folder);
  const file = await weightsFile(folder);
  await using reader = await io.openCheckpoint(file);
  const stored = new Map(reader.names.map((n) => [plainName(n), reader.get(n)]));
  const plan = planOf(config, root, stored);
  const problems = [...unsupported(config), ...plan.problems, ...differences(plan.shapes, stored)];
  const base = reader.metadata[BASE_KEY];
  if (problems.length === 0 && base !== undefined && !otherBase && base !== (await fingerprint(root)))
    problems.push(
      "it was trained beside other weights of the same sizes: beside these it means nothing (`otherBase` takes it all the same)",
    );
  if (problems.length > 0) throw misfit(folder, problems);
  const values = new Map<string, Float32Array>();
  for (const [n, tensor] of stored) values.set(n, await io.readFloat32(tensor));
  const parameters = plan.apply(root, init, name);
  for (const [n, p] of parameters) p.write(values.get(n) as Float32Array);
  return config;
}

/** Where an adapter's tensors are: as peft writes them, or as older versions did. */
export async function weightsFile(folder: string): Promise<string> {
  const [file, old] = [`${folder}/${WEIGHTS_FILE}`, `${folder}/${OLD_WEIGHTS_FILE}`];
  return !(await platform.exists(file)) && (await platform.exists(old)) ? old : file;
}

const MOST = 40;
function misfit(folder: string, problems: readonly string[]): io.FileFormatError {
  const rest = problems.length > MOST ? [`and ${problems.length - MOST} more`] : [];
  const list = [...problems.slice(0, MOST), ...rest].map((line) => `\n  - ${line}`).join("");
  const count = problems.length === 1 ? "1 difference" : `${problems.length} differences`;
  return new io.FileFormatError(
    folder,
    `the adapter does not fit this model: ${count}`,
    `Take the model it was trained beside:${list}`,
  );
}

type Shapes = Map<string, readonly number[]>;
type Stored = ReadonlyMap<string, { readonly shape: readonly number[] }>;

/** What a file must hold to fit a model, and how it is taken in: the parameters come back by their names in the file. */
interface Plan {
  readonly shapes: Shapes;
  readonly problems: readonly string[];
  apply(root: nn.Module, init: nn.Initializer, name: string): Iterable<readonly [string, Tensor]>;
}

/** `lora_A.default.weight` of a model's own state becomes `lora_A.weight`, as in adapters' files. */
const plainName = (name: string) =>
  name.replace(/(lora_[AB])\.[\w-]+\.weight$/, "$1.weight").replace(/\.ia3_l\.[\w-]+$/, ".ia3_l");

function planOf(config: AdapterConfig, root: nn.Module, stored: Stored): Plan {
  if (config.peft_type === "LORA") return loraPlan(config, root, stored);
  if (config.peft_type === "IA3") return ia3Plan(config, root, stored);
  return prefixPlan(config, root);
}

const PREFIX = "base_model.model.";

/** Paths of the modules that a file has tensors for. */
function pathsIn(stored: Stored, end: RegExp): string[] {
  const paths = [...stored.keys()].filter((n) => n.startsWith(PREFIX) && end.test(n));
  return [...new Set(paths.map((n) => n.slice(PREFIX.length).replace(end, "")))];
}

/** The layer without what stands around it. */
const bare = (module: nn.Module): nn.Module => (module instanceof nn.AdapterLayer ? bare(module.base_layer) : module);

/** The layers that an adapter goes to: those that the file has tensors for, and those that its settings name. */
function layersOf(
  root: nn.Module,
  listed: readonly string[],
  config: LoraConfig | Ia3Config,
  fits: (m: nn.Module) => boolean,
) {
  const modules = new Map([...root.namedModules()].filter(([path]) => !path.includes("base_layer")));
  const { target_modules: targets } = config;
  const named = Array.isArray(targets) ? (targeted(modules, targets, config) ?? []) : [];
  const found = new Map<string, nn.Module>();
  const problems: string[] = [];
  for (const path of new Set([...listed, ...named])) {
    const module = modules.get(path);
    if (!module) problems.push(`${path}: the model has no such module`);
    else if (!fits(bare(module))) problems.push(`${path}: it is no layer that the method fits`);
    else found.set(path, bare(module));
  }
  if (found.size === 0 && problems.length === 0) problems.push("it has no tensor for any module of the model");
  return { found, problems };
}

function loraPlan(config: LoraConfig, root: nn.Module, stored: Stored): Plan {
  const { r, lora_alpha, lora_dropout: dropout, use_rslora: stabilised } = config;
  const fits = (m: nn.Module) =>
    m instanceof nn.Linear || m instanceof nn.PatchEmbed || m instanceof nn.QuantizedLinear;
  const { found, problems } = layersOf(root, pathsIn(stored, /\.lora_[AB]\.weight$/), config, fits);
  const shapes: Shapes = new Map();
  for (const [path, layer] of found) {
    const [a, b] = nn.loraShapes(layer as nn.Linear, r);
    shapes.set(`${PREFIX}${path}.lora_A.weight`, a).set(`${PREFIX}${path}.lora_B.weight`, b);
  }
  const options = { r, alpha: stabilised ? lora_alpha * Math.sqrt(r) : lora_alpha, dropout };
  return {
    shapes,
    problems,
    apply(root, init, name) {
      applyLora(root, init, new Set(found.keys()), options, name);
      return layersAt(root, found).flatMap(([path, layer]) =>
        (["lora_A", "lora_B"] as const).map(
          (kind) => [`${PREFIX}${path}.${kind}.weight`, (layer as nn.LoraLinear)[kind][name].weight] as const,
        ),
      );
    },
  };
}

function ia3Plan(config: Ia3Config, root: nn.Module, stored: Stored): Plan {
  const listed = pathsIn(stored, /\.ia3_l$/);
  const { found, problems } = layersOf(root, listed, config, (m) => m instanceof nn.Linear);
  const { feedforward_modules: given } = config;
  // Of an expression the shapes tell: [1, in] stands on inputs.
  const onInputs: Targets = Array.isArray(given)
    ? given
    : new Set(listed.filter((path) => stored.get(`${PREFIX}${path}.ia3_l`)?.shape[0] === 1));
  const shapes: Shapes = new Map();
  for (const [path, layer] of found) {
    const [N, K] = (layer as nn.Linear).weight.shape;
    shapes.set(`${PREFIX}${path}.ia3_l`, isTarget(path, layer, onInputs) ? [1, K] : [N, 1]);
  }
  return {
    shapes,
    problems,
    apply(root, init, name) {
      applyIa3(root, init, { targets: new Set(found.keys()), feedforward: onInputs }, name);
      return layersAt(root, found).map(
        ([path, layer]) => [`${PREFIX}${path}.ia3_l`, (layer as nn.Ia3Linear).ia3_l[name]] as const,
      );
    },
  };
}

/** The layers with adapters at these paths. */
const layersAt = (root: nn.Module, found: ReadonlyMap<string, unknown>) =>
  [...root.namedModules()].filter(([path]) => found.has(path));

function prefixPlan({ num_virtual_tokens: tokens, ...config }: PrefixConfig, root: nn.Module): Plan {
  const sizes = "prefixSizes" in root ? (root as TakesPrefix).prefixSizes : null;
  if (!sizes)
    return {
      shapes: new Map(),
      problems: ["the model has no layers that take keys in front of their own"],
      apply: () => [],
    };
  const { layers, heads, width } = sizes;
  const own = { num_layers: layers, num_attention_heads: heads, token_dim: width };
  const problems = Object.entries(own).flatMap(([key, value]) => {
    const given = config[key as keyof typeof own];
    return given === undefined || given === null || given === value
      ? []
      : [`${CONFIG_FILE}: ${key} is ${given}, the model has ${value}`];
  });
  return {
    shapes: new Map([["prompt_embeddings", [tokens, 2 * layers * width]]]),
    problems,
    apply(root, init, name) {
      const model = root as TakesPrefix;
      applyPrefix(model, init, { tokens, projection: false }, name);
      return [["prompt_embeddings", model.prompt_encoder?.get(name).embedding.weight as Tensor]];
    },
  };
}

/** Tensors that the file lacks, has in another shape, or has beyond what the adapter needs. */
function differences(shapes: Shapes, stored: Stored): string[] {
  const missing = [...shapes].flatMap(([name, shape]) => {
    const found = stored.get(name);
    if (!found) return [`${name}: missing in the adapter`];
    return found.shape.join() === shape.join()
      ? []
      : [`${name}: [${found.shape.join(", ")}] in the adapter, [${shape.join(", ")}] in the model`];
  });
  const paths = new Set([...shapes.keys()].map(moduleOf));
  // Of modules that the model lacks, it was said already.
  const others = [...stored.keys()].filter(
    (name) => !shapes.has(name) && (paths.has(moduleOf(name)) || !name.startsWith(PREFIX)),
  );
  return [...missing, ...others.map((name) => `${name}: the model has no such tensor`)];
}

const moduleOf = (name: string) => name.replace(/\.(lora_[AB]\.weight|ia3_l)$/, "");
