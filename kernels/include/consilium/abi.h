// The calling convention of CPU kernels: one C symbol per launch and storage type, all of one type, found by name.
#pragma once
#include <cstdint>

// Raised when anything here changes: a library compiled for another number is refused when it is loaded.
#define CONSILIUM_KERNEL_ABI 2

namespace consilium {

// buffers: in the order of the pass, nullptr where an optional one is absent; aligned to 8 bytes, no more (a mapped file
// has no better). params: its u32/f32 params in order.
// [begin, end): the cells to compute, one call per chunk of `grain` cells, on any thread. scratch: memory shared by the
// launches of one pass, 64-byte aligned; nullptr where the pass asks for none.
using Kernel = void (*)(void *const *buffers, const void *params, uint32_t begin, uint32_t end, void *scratch);

}  // namespace consilium
