// common: grid, routing, routing-scores
// top-k-routing/backward (webgpu)
// Math      dp[k] = scale (dweights[t,k] - sum_j w_j dweights[t,j] / sum_j w_j) / divisor for kept choices, w their p; dlogits
//           from it through the score; d[e] = dsums[e] + dsums[E] E counts[e] / T^2 through the distribution; the z-loss:
//           2 dsums[E+1] log(sum exp) softmax / T
// Shapes    logits, dlogits [T,E] f32 · lists [L] i32 · dweights [T,K] f32 · dsums [Z] f32
// Tiling    a thread owns a token
// Launch    grid (T / WORKGROUP) folded, WORKGROUP threads
// Numerics  f32, experts in order

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
  hasDweights: u32,
  hasDsums: u32,
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;         // [T,E]
@group(0) @binding(1) var<storage, read> lists: array<i32>;          // [L]
@group(0) @binding(2) var<storage, read> dweights: array<f32>;       // [T,K]
@group(0) @binding(3) var<storage, read> dsums: array<f32>;          // [Z]
@group(0) @binding(4) var<storage, read_write> dlogits: array<f32>;  // [T,E]
@group(0) @binding(5) var<uniform> params: Params;

fn expert_count() -> u32 {
  return params.E;
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let t = folded_index(group, groups) * WORKGROUP + lane;
  if (t >= params.T) {
    return;
  }
  let row = row_of(t);
  from_sums(t, row);
  if (params.hasDweights == 1u) {
    from_weights(t, row);
  }
}

// Writes every element: zeros without dsums.
fn from_sums(t: u32, row: Row) {
  let T = f32(params.T);
  var inner = 0.0;
  var z = 0.0;
  if (params.hasDsums == 1u) {
    for (var e = 0u; e < params.E; e++) {
      inner += distribution(row, logit(row, t, e)) * sum_gradient(e);
    }
    z = 2.0 * dsums[params.E + 1u] * log_sum(row) / T;
  }
  for (var e = 0u; e < params.E; e++) {
    var d = 0.0;
    if (params.hasDsums == 1u) {
      let x = logit(row, t, e);
      var slope = distribution(row, x);
      if (of_sigmoids(row)) {
        slope *= 1.0 - sigmoid(x);
      }
      d = slope * (sum_gradient(e) - inner) + z * softmax_of(row, x);
    }
    dlogits[t * params.E + e] = d;
  }
}

fn sum_gradient(e: u32) -> f32 {
  let T = f32(params.T);
  return dsums[e] + dsums[params.E] * f32(params.E) * (f32(lists[count_place(e)]) / T) / T;
}

fn from_weights(t: u32, all: Row) {
  var row = all;
  if (params.score == TOP_K_SOFTMAX) {
    row = chosen_row(all, t);
  }
  let begin = t * params.K;
  let end = begin + params.K;
  var sum = 0.0;
  var inner = 0.0;
  for (var choice = begin; choice < end; choice++) {
    if (position_of(choice) >= 0) {
      let p = probability(row, logit(row, t, expert_of(choice)));
      sum += p;
      inner += p * dweights[choice];
    }
  }
  // Where the divisor is epsilon it is constant.
  var factor = params.scale;
  if (params.normalize == 1u) {
    factor /= max(sum, params.epsilon);
  }
  inner = select(0.0, inner / sum, params.normalize == 1u && sum > params.epsilon);

  var of_softmax = 0.0;
  for (var choice = begin; choice < end; choice++) {
    if (position_of(choice) >= 0) {
      of_softmax += probability(row, logit(row, t, expert_of(choice))) * factor * (dweights[choice] - inner);
    }
  }
  if (params.score == SOFTMAX) {
    for (var e = 0u; e < params.E; e++) {
      dlogits[t * params.E + e] -= softmax_of(row, logit(row, t, e)) * of_softmax;
    }
  }
  for (var choice = begin; choice < end; choice++) {
    let e = expert_of(choice);
    let p = probability(row, logit(row, t, e));
    var d = 0.0;
    if (position_of(choice) >= 0) {
      d = factor * (dweights[choice] - inner);
    }
    if (params.score == TOP_K_SOFTMAX) {
      d -= of_softmax;
    }
    if (params.score == SIGMOID) {
      d *= 1.0 - p;
    }
    dlogits[t * params.E + e] += p * d;
  }
}
