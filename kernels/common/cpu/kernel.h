// The CPU calling convention: one C symbol per launch and storage type, all of one type, found by name.
#pragma once
#include <cstddef>
#include <cstdint>

namespace consilium {

// buffers: in the order of kernels.ts, nullptr where an optional one is absent. params: the u32/f32 params in order.
// [begin, end): the cells to compute. scratch: memory shared by the launches of one pass, 64-byte aligned.
#define KERNEL_ARGS void *const *buffers, const void *params, uint32_t begin, uint32_t end, void *scratch
using Kernel = void (*)(KERNEL_ARGS);

// Adds a kernel to the table; `name` must be a literal such as "layer_norm_forward_f32".
struct Registration {
  Registration(const char *name, Kernel kernel);
};

// Index of a kernel, or -1. Indices hold for the life of the process.
int kernel_index(const char *name);
Kernel kernel_at(uint32_t index);

// A workspace private to the calling thread, 64-byte aligned, kept between calls and grown when needed. Growing drops
// the contents.
void *thread_workspace(size_t bytes);

}  // namespace consilium
