// common: math
// Functions of two numbers by code: BINARY in kernels/elementwise/functions.ts.

fn combine(f: u32, a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  switch (f) {
    case 0u: { return a + b; }                                                            // add
    case 1u: { return a - b; }                                                            // sub
    case 2u: { return a * b; }                                                            // mul
    case 3u: { return a / b; }                                                            // div
    case 4u: { return larger(a, b); }                                                     // max
    case 5u: { return smaller(a, b); }                                                    // min
    case 7u: { return select(select(vec4(0.0), vec4(0.5), a == b), vec4(1.0), a > b); }   // greaterShare
    default: { return a; }                                                                // first
  }
}
