// What the two launches of top-k-routing/forward share: scratch: array<u32>, by blocks of BLOCK tokens.
// scores [T,E] f32 · histogram [levels, blocks, E] · probabilities [blocks, E] f32 · z [blocks] f32 · lots [T K]
// Bytes: scratchBytes of kernels/top-k-routing/kernels.ts.

// PRIORITIES of kernels/top-k-routing/codes.ts.
const BY_CHOICE = 1u;
const BY_LOT = 2u;

fn blocks() -> u32 {
  return max(1u, (params.T + BLOCK - 1u) / BLOCK);
}

// First choices and others are counted apart where that matters.
fn levels() -> u32 {
  return select(1u, params.K, params.priority == BY_CHOICE || params.countFirst == 1u);
}

fn score_place(t: u32, e: u32) -> u32 {
  return t * params.E + e;
}

fn histogram_place(level: u32, block: u32, e: u32) -> u32 {
  return params.T * params.E + (level * blocks() + block) * params.E + e;
}

fn probability_place(block: u32, e: u32) -> u32 {
  return histogram_place(levels(), block, e);
}

fn z_place(block: u32) -> u32 {
  return histogram_place(levels(), blocks(), block);
}

fn lot_place(choice: u32) -> u32 {
  return z_place(blocks()) + choice;
}

fn is_used(t: u32) -> bool {
  return params.hasUsed == 0u || used[t] != 0;
}
