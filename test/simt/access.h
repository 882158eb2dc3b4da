// Every access to memory goes through here, before it happens.
#pragma once
#include "block.h"

namespace simt {

enum class Access { READ, WRITE, ATOMIC };

// A plain access, or an atomic one, by the current thread: bounds, alignment, written before read, races.
void touch(Access access, uintptr_t address, size_t bytes, size_t alignment, Site site);
// An asynchronous copy to `address` begins: until it has arrived, nobody may touch it.
void begin_copy(uintptr_t address, size_t bytes, Site site);
void end_copy(uintptr_t address, size_t bytes, Site site);

}  // namespace simt
