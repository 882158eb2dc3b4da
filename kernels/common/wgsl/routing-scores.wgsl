// common: activation
// Scores of a row of logits, which the kernel binds as logits: array<f32> [T,E]. SCORES of kernels/top-k-routing/codes.ts.

const SOFTMAX = 0u;
const TOP_K_SOFTMAX = 1u;
const SIGMOID = 2u;

fn is_fault(x: f32) -> bool {
  return is_nan(x) || x == infinity();
}

// A logit, or 0 in the place of one that is none.
fn logit(t: u32, e: u32) -> f32 {
  let x = logits[t * params.E + e];
  return select(x, 0.0, is_fault(x));
}

struct Row {
  top: f32,       // largest logit
  powers: f32,    // sum of exp(logit - top)
  sigmoids: f32,  // sum of sigmoid(logit), where it is the score
}

fn row_of(t: u32) -> Row {
  var top = logit(t, 0u);
  for (var e = 1u; e < params.E; e++) {
    top = max(top, logit(t, e));
  }
  var powers = 0.0;
  var sigmoids = 0.0;
  for (var e = 0u; e < params.E; e++) {
    powers += exp_exact(logit(t, e) - top);
    if (params.score == SIGMOID) {
      sigmoids += sigmoid(logit(t, e));
    }
  }
  return Row(top, powers, sigmoids);
}

fn softmax_of(row: Row, x: f32) -> f32 {
  return exp_exact(x - row.top) / row.powers;
}

fn log_sum(row: Row) -> f32 {
  return row.top + log_exact(row.powers);
}

// What sums adds up: a distribution over all experts.
fn distribution(row: Row, x: f32) -> f32 {
  if (params.score == SIGMOID) {
    return sigmoid(x) / row.sigmoids;
  }
  return softmax_of(row, x);
}

// The chosen experts of a row alone, as a softmax over them.
fn chosen_row(t: u32) -> Row {
  var top = logit(t, expert_of(t * params.K));
  for (var k = 1u; k < params.K; k++) {
    top = max(top, logit(t, expert_of(t * params.K + k)));
  }
  var powers = 0.0;
  for (var k = 0u; k < params.K; k++) {
    powers += exp_exact(logit(t, expert_of(t * params.K + k)) - top);
  }
  return Row(top, powers, 0.0);
}

// p of a chosen expert, from its logit and its row: chosen_row for the softmax over the chosen.
fn probability(row: Row, x: f32) -> f32 {
  if (params.score == SIGMOID) {
    return sigmoid(x);
  }
  return softmax_of(row, x);
}
