// The table of CPU kernels, and what a kernel of this addon is declared with: see consilium/abi.h.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/include/consilium/abi.h"

namespace consilium {

#define KERNEL_ARGS void *const *buffers, const void *params, uint32_t begin, uint32_t end, void *scratch

// Adds a kernel to the table; `name` must be a literal such as "layer_norm_forward_f32".
struct Registration {
  Registration(const char *name, Kernel kernel);
};

// Index of a kernel, or -1. Indices hold for the life of the process.
int kernel_index(const char *name);
// Adds a kernel that only its index names, such as one of a library; -1 where the table is full.
int add_kernel(Kernel kernel);
Kernel kernel_at(uint32_t index);

// A workspace private to the calling thread, 64-byte aligned, kept between calls and grown when needed. Growing drops
// the contents.
void *thread_workspace(size_t bytes);

}  // namespace consilium
