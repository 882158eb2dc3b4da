// Exponentials of x <= 0, as softmax needs them.
#pragma once

// Where a search for a maximum starts. Not -infinity, so that a row of masked values gives exp(-infinity) and no NaN.
constexpr float LOWEST = -3.402823466e38f;

// exp(x), and 0 below -80 (1.8e-35), -infinity included; NaN where x is.
__device__ inline float exp_or_zero(float x) { return x < -80.0f ? 0.0f : expf(x); }
