// Libraries of CPU kernels that others compiled against consilium/kernel.h.
#pragma once
#include <string>

namespace consilium {

// Index of the kernel `symbol` of the library at `path`, for command streams; -1 where it has no such symbol. The library
// stays loaded for the life of the process. Throws std::runtime_error where it cannot be loaded, saying why and what to do.
int library_kernel(const std::string &path, const std::string &symbol);

}  // namespace consilium
