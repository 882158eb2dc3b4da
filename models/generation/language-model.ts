import type { Device, Tensor } from "../../engine/index.js";

/** Keys and values of the tokens so far, allocated once. Its owner disposes it. */
export interface Cache {
  /** Tokens of each sequence that are in it, padding included. */
  readonly length: number;
  /** Frees its memory. */
  dispose(): void;
}

/** What a model is asked in one step. */
export interface Step<C extends Cache> {
  /** i32 [B, capacity], 0 hides a key; null where every key counts. */
  readonly mask: Tensor | null;
  /** i32 [B, L]; null where each row goes on from the cache's length. */
  readonly positions: Tensor | null;
  /** Grows by these tokens. */
  readonly cache: C;
}

/** A decoder as generation sees it: any family, with or without images among its embeddings. */
export interface LanguageModel<C extends Cache = Cache> {
  /** Where it computes. */
  readonly device: Device;
  /** Longest sequence. */
  readonly positions: number;
  /** i32 [B, L] to [B, L, width]. */
  embed(ids: Tensor): Tensor;
  /** An empty cache. */
  newCache(size: { readonly batch: number; readonly capacity: number }): C;
  /** Logits [B, vocabulary] of what follows the last of the embeddings [B, L, width]; all of them are added to the cache. */
  next(embeds: Tensor, step: Step<C>): Tensor;
}
