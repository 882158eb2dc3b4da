import { nn } from "../../engine/index.js";
import { refuseMerged, setAdapter } from "./adapters.js";
import { type PrefixOptions, type PrefixSizes, PromptEncoder, PromptEncoders } from "./prompt-encoder.js";

/**
 * A model whose self-attention takes keys and values in front of its own: in every layer, for all rows of a batch, seen by all queries, and
 * with real tokens' positions behind the virtual ones.
 */
export interface TakesPrefix extends nn.Module {
  /** Of the keys and values that it takes. */
  readonly prefixSizes: PrefixSizes;
  /** What makes them; absent where nothing does. */
  prompt_encoder?: PromptEncoders;
}

/**
 * Freezes `root` and gives it a prefix that is learned: Prefix tuning, or P-Tuning v2 without `projection`. Another one beside those that are
 * there is in use from then on, and is trained alone.
 */
export function applyPrefix(
  root: TakesPrefix,
  init: nn.Initializer,
  options: PrefixOptions,
  name: string = nn.DEFAULT_ADAPTER,
): void {
  refuseMerged(root, name);
  const encoder = new PromptEncoder(init, root.prefixSizes, options);
  root.requiresGrad(false);
  root.prompt_encoder ??= new PromptEncoders();
  root.prompt_encoder.add(name, encoder);
  root.prompt_encoder.train(root.training);
  setAdapter(root, name);
}
