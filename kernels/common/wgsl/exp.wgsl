// Exponentials of x <= 0, as softmax needs them: by the built-in, which is several times the speed of math.wgsl's; its
// error of 1e-5 at worst is that of one weight.

// Where a search for a maximum starts. Not -infinity, so that a row of masked values gives exp(-infinity) and no NaN.
const LOWEST = -3.4028234e38;

// exp(x), and 0 below -80 (1.8e-35), -infinity included; NaN where x is.
fn exp_or_zero(x: f32) -> f32 {
  return select(exp(x), 0.0, x < -80.0);
}

// exp(x) - 1. Near 0, where the difference would cancel, the series up to x^8: the next term is 1.4e-8 of the sum.
fn exp_minus_one(x: f32) -> f32 {
  if (x < -0.5) {
    return exp_or_zero(x) - 1.0;
  }
  var p = 2.4801587e-5;
  p = p * x + 1.9841270e-4;
  p = p * x + 1.3888889e-3;
  p = p * x + 8.3333333e-3;
  p = p * x + 4.1666667e-2;
  p = p * x + 0.16666667;
  p = p * x + 0.5;
  return x + x * x * p;
}
