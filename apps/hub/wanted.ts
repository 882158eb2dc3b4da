/** Files of a model folder that are read here: weights once, settings, tokenizer; not what a trainer left behind. */
const SETTINGS = [
  "config.json",
  "generation_config.json",
  "preprocessor_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "model.safetensors.index.json",
  "pytorch_model.bin.index.json",
  "mm_projector.bin",
];

const isSafetensors = (name: string) => /^model(-\d+-of-\d+)?\.safetensors$/.test(name);
const isPytorch = (name: string) => /^pytorch_model(-\d+-of-\d+)?\.bin$/.test(name);

/** Of the names in one folder. PyTorch weights are left where the same are there as safetensors. */
export function wanted(names: readonly string[]): string[] {
  const safetensors = names.some(isSafetensors);
  return names.filter(
    (name) =>
      isSafetensors(name) ||
      (!safetensors && isPytorch(name)) ||
      (SETTINGS.includes(name) && !(safetensors && name === "pytorch_model.bin.index.json")),
  );
}
