// What a block of the gradients of keys and values owns, and the queries that it steps through.
#pragma once
#include "problem.cuh"

// A block's keys: of one batch row, or of the prefix, which all of them see.
struct OwnKeys {
  bool prefix;
  uint32_t g, first, count;  // count: of all keys of that kind
  uint32_t batch, batches;   // those whose queries see them
  uint32_t position;         // what the random stream adds for key `first`

  __device__ OwnKeys(const Params &p, uint32_t block, uint32_t size) {
    // The prefix first: its blocks have the most to do. Of a causal mask so have the first keys.
    const uint32_t prefix_blocks = p.G * ceil_div(p.P, size);
    prefix = block < prefix_blocks;
    count = prefix ? p.P : p.S;
    const BlockPlace place =
        block_place(prefix ? block : block - prefix_blocks, prefix ? p.G : p.B * p.G, ceil_div(count, size));
    first = place.rank * size;
    g = prefix ? place.head : place.head % p.G;
    batch = prefix ? 0 : place.head / p.G;
    batches = prefix ? p.B : 1;
    position = prefix ? first : p.P + first;
  }

  // The first query that sees key `first` + n.
  __device__ uint32_t first_query(const Params &p, uint32_t n) const {
    if (prefix || !p.causal) return 0;
    const uint32_t reach = first + n + p.L;
    return reach > p.S ? reach - p.S : 0;
  }
};

struct QueryStep {
  uint32_t batch, h, row0;
};

// The queries that see a block's keys, QUERIES at a time, head after head. Those before the causal edge of the first key are
// left out.
template <uint32_t QUERIES>
struct QuerySteps {
  uint32_t batch, g, heads, first_tile, of_head, count;

  __device__ QuerySteps(const Params &p, const OwnKeys &keys)
      : batch(keys.batch), g(keys.g), heads(p.H / p.G), first_tile(keys.first_query(p, 0) / QUERIES) {
    const uint32_t tiles = ceil_div(p.L, QUERIES);
    of_head = tiles > first_tile ? tiles - first_tile : 0;
    count = keys.batches * heads * of_head;
  }

  __device__ QueryStep after(QueryStep step) const {
    step.row0 += QUERIES;
    if (step.row0 < (first_tile + of_head) * QUERIES) return step;
    step.row0 = first_tile * QUERIES;
    if (++step.h == (g + 1) * heads) step.h = g * heads, ++step.batch;
    return step;
  }

  __device__ QueryStep at(uint32_t n) const {
    const uint32_t head = n / of_head;
    return {batch + head / heads, g * heads + head % heads, (first_tile + n % of_head) * QUERIES};
  }
};
