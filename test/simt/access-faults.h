// Accesses that end a launch, and what is said of them.
#pragma once
#include "access.h"

namespace simt {

// Memory that is not allocated, or past the end of what is.
[[noreturn]] void outside(Access access, uintptr_t address, size_t bytes);
[[noreturn]] void misaligned(Access access, uintptr_t address, size_t alignment);
// Not all of the bytes are allocated, written, and free of copies under way.
[[noreturn]] void bad_state(Access access, const Region &region, uintptr_t address, size_t bytes);
// With the touch of this stamp, a "write" or another, at `site` of the image.
[[noreturn]] void race(Access access, const Region &region, const char *earlier, uint64_t stamp, uint32_t site);

}  // namespace simt
