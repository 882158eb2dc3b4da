// CUDA kernels outside the package: storage types, to_float and from_float, FOR_FLOATS. One file makes one fatbin:
//
//   nvcc -std=c++17 -O3 -arch=sm_80 -fatbin -I "$(npx consilium include)" double.cu -o double.fatbin
#pragma once
#include "../../common/cuda/kernel.cuh"
