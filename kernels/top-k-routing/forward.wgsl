// common: fault, grid, largest, philox, routing, routing-blocks, routing-scores
// top-k-routing/forward, first launch (webgpu): the choice
// Math      experts[t]: the K largest scores, the first choice first, ties to the lowest expert; a score is the logit or
//           sigmoid(logit), + bias, -inf outside the chosen groups, + noise. weights[t,k] = p of the choice, unnormalised
// Shapes    logits, noise [T,E] f32 · bias [E] f32 · used [T] i32 · random [4] u32 · weights [T,K] f32 · lists [L] i32 · scratch
// Method    a thread scores its token's experts and takes the foremost behind the last, K times. Then the workgroup counts
//           the choices of its block and sums its probabilities: a thread owns every WORKGROUP-th expert
// Tiling    a workgroup owns BLOCK tokens
// Launch    grid (blocks, at least one) folded, WORKGROUP threads
// Numerics  f32, tokens in order; no atomics but on the fault words
// Limits    reads a row of scores some K + topGroups times: meant for E up to 512

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

@group(0) @binding(0) var<storage, read> logits: array<f32>;                  // [T,E]
@group(0) @binding(1) var<storage, read> bias: array<f32>;                    // [E]
@group(0) @binding(2) var<storage, read> noise: array<f32>;                   // [T,E]
@group(0) @binding(3) var<storage, read> used: array<i32>;                    // [T]
@group(0) @binding(4) var<uniform> random: vec4<u32>;                         // [4]
@group(0) @binding(5) var<storage, read_write> weights: array<f32>;           // [T,K]
@group(0) @binding(6) var<storage, read_write> lists: array<i32>;             // [L]
@group(0) @binding(7) var<storage, read_write> faults: array<atomic<u32>, 4>;
@group(0) @binding(8) var<storage, read_write> scratch: array<u32>;           // routing-blocks.wgsl
@group(0) @binding(9) var<uniform> params: Params;

const NO_NOISE = 0u;
const GUMBEL_AFTER_FIRST = 1u;

var<workgroup> rows: array<Row, BLOCK>;

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

  for (var t = first + lane; t < last; t += WORKGROUP) {
    rows[t - first] = row_of(t);
    score(t, rows[t - first]);
    close_groups(t);
    choose(t);
    weigh(t, rows[t - first]);
  }
  workgroupBarrier();
  storageBarrier();

  for (var e = lane; e < params.E; e += WORKGROUP) {
    for (var level = 0u; level < levels(); level++) {
      scratch[histogram_place(level, block, e)] = 0u;
    }
    var sum = 0.0;
    for (var t = first; t < last; t++) {
      sum += distribution(rows[t - first], logit(rows[t - first], t, e));
    }
    scratch[probability_place(block, e)] = bitcast<u32>(sum);
  }
  for (var choice = first * params.K; choice < last * params.K; choice++) {
    let e = expert_of(choice);
    if (e % WORKGROUP == lane && is_used(choice / params.K)) {
      scratch[histogram_place(min(choice % params.K, levels() - 1u), block, e)]++;
    }
  }
  if (lane == 0u) {
    var sum = 0.0;
    for (var t = first; t < last; t++) {
      let z = log_sum(rows[t - first]);
      sum += z * z;
    }
    scratch[z_place(block)] = bitcast<u32>(sum);
  }
}

fn score_at(t: u32, e: u32) -> f32 {
  return bitcast<f32>(scratch[score_place(t, e)]);
}

// Scores with bias, without noise. What is NaN or +infinity is reported here.
fn score(t: u32, row: Row) {
  if (row.blank) {
    report_not_finite(params.faultLabel, t * params.E);
  }
  for (var e = 0u; e < params.E; e++) {
    let i = t * params.E + e;
    if (is_fault(logits[i]) || (params.hasNoise == 1u && is_fault(noise[i]))) {
      report_not_finite(params.faultLabel, i);
    }
    var s = logit(row, t, e);
    if (params.score == SIGMOID) {
      s = sigmoid(s);
    }
    if (params.hasBias == 1u) {
      if (is_fault(bias[e])) {
        report_not_finite(params.faultLabel, e);
      }
      s += clean(bias[e]);
    }
    scratch[score_place(t, e)] = bitcast<u32>(s);
  }
}

// -infinity for all experts outside the topGroups groups whose two largest scores sum highest.
fn close_groups(t: u32) {
  if (params.topGroups >= params.groups) {
    return;
  }
  var previous = FIRST;
  for (var i = 0u; i < params.topGroups; i++) {
    var best = NOTHING;
    for (var g = 0u; g < params.groups; g++) {
      let entry = vec2(group_key(t, g), g);
      if (in_front(previous, entry) && in_front(entry, best)) {
        best = entry;
      }
    }
    previous = best;
  }
  // From the last on: what is closed no longer changes what lies in front.
  let size = params.E / params.groups;
  for (var g = 0u; g < params.groups; g++) {
    if (in_front(previous, vec2(group_key(t, g), g))) {
      for (var e = g * size; e < (g + 1u) * size; e++) {
        scratch[score_place(t, e)] = 0xff800000u;
      }
    }
  }
}

fn group_key(t: u32, g: u32) -> u32 {
  let size = params.E / params.groups;
  var largest = score_at(t, g * size);
  var second = -infinity();
  for (var e = g * size + 1u; e < (g + 1u) * size; e++) {
    let s = score_at(t, e);
    second = max(second, min(s, largest));
    largest = max(largest, s);
  }
  if (size > 1u) {
    largest += second;
  }
  return order_key(largest);
}

fn choose(t: u32) {
  let later_noise = params.noiseKind == GUMBEL_AFTER_FIRST;
  if (params.noiseKind != NO_NOISE && !later_noise) {
    add_noise(t);
  }
  var taken = params.E;
  var previous = FIRST;
  for (var k = 0u; k < params.K; k++) {
    var best = NOTHING;
    for (var e = 0u; e < params.E; e++) {
      let entry = vec2(order_key(score_at(t, e)), e);
      if (e != taken && in_front(previous, entry) && in_front(entry, best)) {
        best = entry;
      }
    }
    lists[expert_place(t * params.K + k)] = i32(best.y);
    previous = best;
    if (k == 0u && later_noise) {
      taken = best.y;
      previous = FIRST;
      add_noise(t);
    }
  }
}

fn add_noise(t: u32) {
  for (var e = 0u; e < params.E; e++) {
    let i = t * params.E + e;
    var value = 0.0;
    if (params.hasNoise == 1u) {
      value = clean(noise[i]);
    } else {
      value = -log_exact(-log_exact(max(uniform_of(i), 2.98023224e-8)));
    }
    scratch[score_place(t, e)] = bitcast<u32>(score_at(t, e) + value);
  }
}

fn uniform_of(position: u32) -> f32 {
  return uniform_values(random_words(position, params.sequence, random)).x;
}

// Probabilities of the choices, and their lots.
fn weigh(t: u32, all: Row) {
  var row = all;
  if (params.score == TOP_K_SOFTMAX) {
    row = chosen_row(all, t);
  }
  for (var choice = t * params.K; choice < (t + 1u) * params.K; choice++) {
    let e = expert_of(choice);
    weights[choice] = probability(row, logit(row, t, e));
    if (params.priority == BY_LOT) {
      scratch[lot_place(choice)] = order_key(lot(t, e));
    }
  }
}

fn lot(t: u32, e: u32) -> f32 {
  if (params.hasNoise == 1u && params.noiseKind == NO_NOISE) {
    return clean(noise[t * params.E + e]);
  }
  return uniform_of((params.T + t) * params.E + e);
}
