// common: math
// Activations and their derivatives by code (kernels/matmul/activation.ts), with the formulas of common/cpu/activation.h.
// NaN stays NaN.

// Φ(x), given e = exp(-x²/2). The tail Φ(-t) = e q(t), q a polynomial in 1 / (1 + 0.34 t), so that it keeps its relative
// accuracy far out, where 1 + erf would cancel.
fn normal_cdf(x: f32, e: f32) -> f32 {
  let u = 1.0 / (1.0 + 0.34 * abs(x));
  var q = -2.612046525e-2;
  q = q * u + 1.394994557e-1;
  q = q * u - 2.731326520e-1;
  q = q * u + 2.021825761e-1;
  q = q * u - 4.471838474e-2;
  q = q * u + 1.153591350e-1;
  q = q * u + 1.151976660e-1;
  q = q * u + 1.361121982e-1;
  q = q * u + 1.356205046e-1;
  let tail = q * u * e;
  return select(1.0 - tail, tail, x < 0.0);
}

fn gauss(x: f32) -> f32 {
  return exp_exact(-0.5 * x * x);
}

// The bound keeps exp finite; below it σ is 0, so that x σ(x) is.
fn sigmoid(x: f32) -> f32 {
  return select(1.0 / (1.0 + exp_exact(select(-x, 88.0, x < -88.0))), 0.0, x < -88.0);
}

// Below 0.625 Cephes' polynomial: 1 - 2 / (exp(2x) + 1) would cancel. tanh(10) rounds to 1.
fn tanh_exact(x: f32) -> f32 {
  let size = abs(x);
  if (size < 0.625) {
    let s = x * x;
    var p = -5.70498872745e-3;
    p = p * s + 2.06390887954e-2;
    p = p * s - 5.37397155531e-2;
    p = p * s + 1.33314422036e-1;
    p = p * s - 3.33332819422e-1;
    return p * s * x + x;
  }
  let result = 1.0 - 2.0 / (exp_exact(select(2.0 * size, 20.0, size > 10.0)) + 1.0);
  return select(result, -result, x < 0.0);
}

fn gelu(x: f32) -> f32 {
  return x * normal_cdf(x, gauss(x));
}
fn gelu_derivative(x: f32) -> f32 {
  let e = gauss(x);
  return normal_cdf(x, e) + 0.39894228 * x * e;
}

// (1 + tanh z)/2 = σ(2z), z = √(2/π) (x + 0.044715 x³)
fn gelu_tanh(x: f32) -> f32 {
  return x * sigmoid(x * (0.0713548163 * x * x + 1.59576912));
}
fn gelu_tanh_derivative(x: f32) -> f32 {
  let s = sigmoid(x * (0.0713548163 * x * x + 1.59576912));
  // x σ (1 - σ) first, which is 0 far out: x slope would overflow there, and slope itself.
  return s + (x * s * (1.0 - s)) * min(0.214064449 * x * x + 1.59576912, 3e38);
}

// x σ(c x): SiLU for c = 1, quick GELU for c = 1.702
fn swish(x: f32, c: f32) -> f32 {
  return x * sigmoid(c * x);
}
fn swish_derivative(x: f32, c: f32) -> f32 {
  let s = sigmoid(c * x);
  // The product is 0 far out, where c x could overflow: a compiler may multiply in any order.
  return s + c * select(x * s * (1.0 - s), 0.0, abs(x) > 1e30 && is_finite(x));
}

fn relu(x: f32) -> f32 {
  return at_least(x, 0.0);
}

fn activate(code: u32, x: f32) -> f32 {
  switch (code) {
    case 1u: { return gelu(x); }
    case 2u: { return gelu_tanh(x); }
    case 3u: { return swish(x, 1.702); }
    case 4u: { return swish(x, 1.0); }
    case 5u: { return tanh_exact(x); }
    case 6u: { return relu(x); }
    default: { return x; }
  }
}

fn activation_derivative(code: u32, x: f32) -> f32 {
  switch (code) {
    case 1u: { return gelu_derivative(x); }
    case 2u: { return gelu_tanh_derivative(x); }
    case 3u: { return swish_derivative(x, 1.702); }
    case 4u: { return swish_derivative(x, 1.0); }
    case 5u: {
      let t = tanh_exact(x);
      return 1.0 - t * t;
    }
    case 6u: { return select(0.0, 1.0, x > 0.0); }
    default: { return 1.0; }
  }
}
