// Activations by code: kernels/matmul/activation.ts.

// |error| < 9e-8. Below 1 erf(x) = x + x P(x²), above 1 - exp(Q(x)), P and Q minimax fits by Lawson's iteration.
// WGSL has no erf.
fn erf(x: f32) -> f32 {
  let size = abs(x);
  if (size < 1.0) {
    let s = x * x;
    var p = -0.000563156675;
    p = p * s + 0.00491759134;
    p = p * s - 0.0267113522;
    p = p * s + 0.112801820;
    p = p * s - 0.376123279;
    p = p * s + 0.128379121;
    return x + x * p;
  }
  let t = min(size, 4.0);  // where erf is 1 - 1.5e-8: f32 rounds it to 1
  var q = 0.000185564859;
  q = q * t - 0.00293951458;
  q = q * t + 0.0218049400;
  q = q * t - 0.103036568;
  q = q * t - 0.638226628;
  q = q * t - 1.12703943;
  q = q * t - 0.000353858515;
  return sign(x) * (1.0 - exp(q));
}

// |error| < 1e-7. The built-in may be off by 1e-5 of its value, or overflow. tanh(10) rounds to 1.
fn tanh_exact(x: f32) -> f32 {
  return 1.0 - 2.0 / (exp(2.0 * clamp(x, -10.0, 10.0)) + 1.0);
}

// The clamp keeps exp finite; sigmoid(-80) is 2e-35.
fn sigmoid(x: f32) -> f32 {
  return 1.0 / (1.0 + exp(-max(x, -80.0)));
}

fn activate(code: u32, x: f32) -> f32 {
  switch (code) {
    case 1u: { return 0.5 * x * (1.0 + erf(x * 0.70710678)); }                                     // gelu
    case 2u: { return 0.5 * x * (1.0 + tanh_exact(0.79788456 * (x + 0.044715 * x * x * x))); }     // geluTanh
    case 3u: { return x * sigmoid(1.702 * x); }                                                    // quickGelu
    case 4u: { return x * sigmoid(x); }                                                            // silu
    case 5u: { return tanh_exact(x); }                                                             // tanh
    case 6u: { return max(x, 0.0); }                                                               // relu
    default: { return x; }
  }
}
