// common: grid, routing, routing-blocks
// top-k-routing/forward, last launch (webgpu): the order
// Math      offsets, counts, order, position of lists.ts: rows of an expert by priority, at most capacity of them; weights
//           normalised over a token's kept choices, scaled, zero where dropped; sums = probabilities, balance, z
// Shapes    used [T] i32 · weights [T,K] f32 · lists [L] i32 · sums [Z] f32 · scratch
// Method    every workgroup adds up the histograms of all blocks, and so knows where each expert begins and how many rows
//           the blocks before its own have there; then a thread for every WORKGROUP-th expert walks over the block's choices.
//           By lot: the key of the last row kept of an expert that has too many, eight bits at a time, by each workgroup
// Tiling    a workgroup owns BLOCK tokens, and the same share of grouped rows
// Launch    grid (blocks, at least one) folded, WORKGROUP threads
// Numerics  f32, blocks in order; integer atomics count in workgroup memory, so that every result is the same each time
// Limits    by lot each block reads all choices four times (a digit of eight bits each), and those before its own once more,
//           for each expert that drops any

struct Params {
  T: u32,
  E: u32,
  K: u32,
  L: u32,
  Z: u32,
  score: u32,
  normalize: u32,
  epsilon: f32,
  scale: f32,
  countFirst: u32,
  noiseKind: u32,
  priority: u32,
  capacity: u32,
  groups: u32,
  topGroups: u32,
  hasBias: u32,
  hasNoise: u32,
  hasUsed: u32,
  sequence: u32,
  faultLabel: u32,
}

@group(0) @binding(0) var<storage, read> used: array<i32>;            // [T]
@group(0) @binding(1) var<storage, read_write> weights: array<f32>;   // [T,K]
@group(0) @binding(2) var<storage, read_write> lists: array<i32>;     // [L]
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;      // [Z]
@group(0) @binding(4) var<storage, read_write> scratch: array<u32>;   // routing-blocks.wgsl, only read
@group(0) @binding(5) var<uniform> params: Params;

var<workgroup> totals: array<u32, EXPERTS>;   // choices of used tokens
var<workgroup> offsets: array<u32, EXPERTS + 1u>;
// Rows of an expert before the next one that its thread meets.
var<workgroup> ranks: array<u32, EXPERTS>;
// By lot: the least key that is kept, and how many of those that are equal are still to come.
var<workgroup> least: array<u32, EXPERTS>;
var<workgroup> ties: array<u32, EXPERTS>;

var<workgroup> bins: array<atomic<u32>, 256>;
var<workgroup> found: vec2<u32>;
var<workgroup> before: array<atomic<u32>, 2>;

fn expert_count() -> u32 {
  return params.E;
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = folded_index(group, groups);
  if (block >= blocks()) {
    return;
  }
  let first = block * BLOCK;
  let last = min(params.T, first + BLOCK);

  for (var e = lane; e < params.E; e += WORKGROUP) {
    totals[e] = counted(0u, levels(), blocks(), e);
    ranks[e] = counted(0u, levels(), block, e);
  }
  workgroupBarrier();
  if (lane == 0u) {
    var row = 0u;
    for (var e = 0u; e < params.E; e++) {
      offsets[e] = row;
      row += min(totals[e], params.capacity);
    }
    offsets[params.E] = row;
  }
  workgroupBarrier();
  if (params.priority == BY_LOT) {
    for (var e = 0u; e < params.E; e++) {
      if (workgroupUniformLoad(&totals[e]) > params.capacity) {
        draw(e, first * params.K, lane);
      }
    }
  }

  if (params.priority == BY_CHOICE) {
    for (var k = 0u; k < params.K; k++) {
      for (var e = lane; e < params.E; e += WORKGROUP) {
        ranks[e] = counted(0u, k, blocks(), e) + counted(k, k + 1u, block, e);
      }
      for (var t = first; t < last; t++) {
        place_choice(t * params.K + k, lane);
      }
    }
  } else {
    for (var choice = first * params.K; choice < last * params.K; choice++) {
      place_choice(choice, lane);
    }
  }
  for (var row = first * params.K + lane; row < last * params.K; row += WORKGROUP) {
    if (row >= offsets[params.E]) {
      lists[order_place(row)] = -1;
    }
  }
  storageBarrier();

  for (var t = first + lane; t < last; t += WORKGROUP) {
    normalise(t);
  }
  if (block == 0u) {
    report(lane);
  }
}

// Choices of an expert at levels from `low` to before `high`, in the first `end` blocks.
fn counted(low: u32, high: u32, end: u32, e: u32) -> u32 {
  var count = 0u;
  for (var level = low; level < high; level++) {
    for (var block = 0u; block < end; block++) {
      count += scratch[histogram_place(level, block, e)];
    }
  }
  return count;
}

// By the thread of its expert.
fn place_choice(choice: u32, lane: u32) {
  let e = expert_of(choice);
  if (e % WORKGROUP != lane) {
    return;
  }
  var row = -1;
  if (is_used(choice / params.K) && is_kept(choice, e)) {
    row = i32(offsets[e] + ranks[e]);
    lists[order_place(u32(row))] = i32(choice);
    ranks[e]++;
  }
  lists[position_place(choice)] = row;
}

fn is_kept(choice: u32, e: u32) -> bool {
  if (params.priority != BY_LOT || totals[e] <= params.capacity) {
    return ranks[e] < params.capacity;
  }
  let key = scratch[lot_place(choice)];
  if (key == least[e] && ties[e] > 0u) {
    ties[e]--;
    return true;
  }
  return key > least[e];
}

fn is_of(choice: u32, e: u32) -> bool {
  return expert_of(choice) == e && is_used(choice / params.K);
}

// The least key of the expert's rows, and what the choices before `first` have taken of them. All threads call it.
fn draw(e: u32, first: u32, lane: u32) {
  let choices = params.T * params.K;
  var key = 0u;
  var open = params.capacity;
  for (var shift = 32u; shift > 0u; ) {
    shift -= 8u;
    for (var bin = lane; bin < 256u; bin += WORKGROUP) {
      atomicStore(&bins[bin], 0u);
    }
    workgroupBarrier();
    for (var choice = lane; choice < choices; choice += WORKGROUP) {
      let own = scratch[lot_place(choice)];
      if (is_of(choice, e) && (shift == 24u || own >> (shift + 8u) == key)) {
        atomicAdd(&bins[(own >> shift) & 255u], 1u);
      }
    }
    workgroupBarrier();
    if (lane == 0u) {
      var bin = 255u;
      var left = open;
      while (bin > 0u && atomicLoad(&bins[bin]) < left) {
        left -= atomicLoad(&bins[bin]);
        bin--;
      }
      found = vec2((key << 8u) | bin, left);
    }
    let next = workgroupUniformLoad(&found);
    key = next.x;
    open = next.y;
  }

  if (lane < 2u) {
    atomicStore(&before[lane], 0u);
  }
  workgroupBarrier();
  for (var choice = lane; choice < first; choice += WORKGROUP) {
    let own = scratch[lot_place(choice)];
    if (own >= key && is_of(choice, e)) {
      atomicAdd(&before[select(0u, 1u, own == key)], 1u);
    }
  }
  workgroupBarrier();
  if (lane == 0u) {
    let equal = min(atomicLoad(&before[1]), open);
    ranks[e] = atomicLoad(&before[0]) + equal;
    least[e] = key;
    ties[e] = open - equal;
  }
  workgroupBarrier();
}

// Weights of a token from its probabilities.
fn normalise(t: u32) {
  var sum = 0.0;
  for (var choice = t * params.K; choice < (t + 1u) * params.K; choice++) {
    if (position_of(choice) < 0) {
      weights[choice] = 0.0;
    }
    sum += weights[choice];
  }
  var divisor = 1.0;
  if (params.normalize == 1u) {
    divisor = max(sum, params.epsilon);
  }
  for (var choice = t * params.K; choice < (t + 1u) * params.K; choice++) {
    weights[choice] = params.scale * weights[choice] / divisor;
  }
}

// What belongs to no block.
fn report(lane: u32) {
  for (var e = lane; e < params.E; e += WORKGROUP) {
    lists[e] = i32(offsets[e]);
    var sum = 0.0;
    for (var block = 0u; block < blocks(); block++) {
      sum += bitcast<f32>(scratch[probability_place(block, e)]);
    }
    sums[e] = sum;
    lists[count_place(e)] = i32(counted(0u, select(levels(), 1u, params.countFirst == 1u), blocks(), e));
  }
  storageBarrier();
  if (lane == 0u) {
    lists[params.E] = i32(offsets[params.E]);
    let T = f32(max(params.T, 1u));
    var balance = 0.0;
    for (var e = 0u; e < params.E; e++) {
      balance += (f32(lists[count_place(e)]) / T) * (sums[e] / T);
    }
    sums[params.E] = f32(params.E) * balance;
    var z = 0.0;
    for (var block = 0u; block < blocks(); block++) {
      z += bitcast<f32>(scratch[z_place(block)]);
    }
    sums[params.E + 1u] = z / T;
  }
}
