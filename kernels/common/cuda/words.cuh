// Kernels that move bits see a storage type as a word of its size; 32-bit integers pass as f32. One symbol per type all
// the same, since a launch is found by the type of the call.
#pragma once
#include "kernel.cuh"

using Word_f32 = uint32_t;
using Word_bf16 = uint16_t;
using Word_f16 = uint16_t;
