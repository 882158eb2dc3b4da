// common: activation
// Scores of a row of logits, which the kernel binds as logits: array<f32> [T,E]. SCORES of kernels/top-k-routing/codes.ts.

const SOFTMAX = 0u;
const TOP_K_SOFTMAX = 1u;
const SIGMOID = 2u;

fn is_fault(x: f32) -> bool {
  return is_nan(x) || x == infinity();
}

// A value, or 0 in the place of one that is none.
fn clean(x: f32) -> f32 {
  return select(x, 0.0, is_fault(x));
}

// A logit as it counts.
fn logit(row: Row, t: u32, e: u32) -> f32 {
  return select(clean(logits[t * params.E + e]), 0.0, row.blank);
}

const LOWEST = -3.4028234e38;
const LEAST_NORMAL = 1.1754944e-38;

struct Row {
  blank: bool,    // all logits are -infinity: a fault, all of them count as 0
  top: f32,       // largest logit
  powers: f32,    // sum of exp(logit - top)
  sigmoids: f32,  // sum of sigmoid(logit), where it is the score
}

fn row_of(t: u32) -> Row {
  var row = Row(true, LOWEST, 0.0, 0.0);
  for (var e = 0u; e < params.E; e++) {
    let x = clean(logits[t * params.E + e]);
    row.blank = row.blank && bitcast<u32>(x) == 0xff800000u;
    row.top = max(row.top, x);
  }
  row.top = select(row.top, 0.0, row.blank);
  for (var e = 0u; e < params.E; e++) {
    let x = logit(row, t, e);
    row.powers += exp_exact(x - row.top);
    if (params.score == SIGMOID) {
      row.sigmoids += sigmoid(x);
    }
  }
  return row;
}

// 0 where all of the row are -infinity.
fn softmax_of(row: Row, x: f32) -> f32 {
  if (row.powers == 0.0) {
    return 0.0;
  }
  return exp_exact(x - row.top) / row.powers;
}

fn log_sum(row: Row) -> f32 {
  return row.top + log_exact(row.powers);
}

// Whether sums adds up sigmoids over their sum. Where all of those underflow, softmax is what they tend to.
fn of_sigmoids(row: Row) -> bool {
  return params.score == SIGMOID && row.sigmoids >= LEAST_NORMAL;
}

// What sums adds up: a distribution over all experts.
fn distribution(row: Row, x: f32) -> f32 {
  if (of_sigmoids(row)) {
    return sigmoid(x) / row.sigmoids;
  }
  return softmax_of(row, x);
}

// The chosen experts of a row alone, as a softmax over them.
fn chosen_row(all: Row, t: u32) -> Row {
  var row = Row(all.blank, LOWEST, 0.0, 0.0);
  for (var k = 0u; k < params.K; k++) {
    row.top = max(row.top, logit(all, t, expert_of(t * params.K + k)));
  }
  for (var k = 0u; k < params.K; k++) {
    row.powers += exp_exact(logit(all, t, expert_of(t * params.K + k)) - row.top);
  }
  return row;
}

// p of a chosen expert, from its logit and its row: chosen_row for the softmax over the chosen.
fn probability(row: Row, x: f32) -> f32 {
  if (params.score == SIGMOID) {
    return sigmoid(x);
  }
  return softmax_of(row, x);
}
