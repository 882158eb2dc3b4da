#include "memory.h"

#include <sys/mman.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace simt {
namespace {

constexpr size_t ALIGNMENT = 512, GAP = 512;
constexpr size_t ADDRESSES = size_t{1} << 36;  // reserved, hardly any of it used

void *reserve(size_t bytes) {
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) std::perror("cuda-sim: cannot reserve addresses"), std::abort();
  return memory;
}

// Gives whole pages back to the system; they read as zeros then.
template <class T>
void discard(T *begin, T *end) {
  constexpr uintptr_t PAGE = 1 << 16;
  const uintptr_t from = (reinterpret_cast<uintptr_t>(begin) + PAGE - 1) & ~(PAGE - 1);
  const uintptr_t to = reinterpret_cast<uintptr_t>(end) & ~(PAGE - 1);
  if (from < to) madvise(reinterpret_cast<void *>(from), to - from, MADV_DONTNEED);
}

}  // namespace

Global::Global(size_t capacity) : capacity(capacity) {
  region.begin = reinterpret_cast<uintptr_t>(reserve(ADDRESSES));
  region.size = ADDRESSES;
  region.state = static_cast<uint8_t *>(reserve(ADDRESSES));
  region.touches = static_cast<Touches *>(reserve(ADDRESSES / 2 * sizeof(Touches)));
  next_ = region.begin + GAP;
}

Global::~Global() {
  munmap(reinterpret_cast<void *>(region.begin), ADDRESSES);
  munmap(region.state, ADDRESSES);
  munmap(region.touches, ADDRESSES / 2 * sizeof(Touches));
}

uintptr_t Global::allocate(size_t bytes) {
  const size_t taken = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  if (bytes == 0 || taken > capacity - used) return 0;
  for (int round = 0; round < 2; ++round) {
    uintptr_t at = next_;
    while (at + taken + GAP <= region.begin + region.size) {
      auto above = live_.lower_bound(at);
      if (above == live_.end() || at + taken + GAP <= above->first) {
        live_[at] = bytes;
        used += taken;
        next_ = at + taken + GAP;
        std::memset(region.state + (at - region.begin), LIVE, bytes);
        return at;
      }
      at = above->first + (above->second + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + GAP;
    }
    next_ = region.begin + GAP;
  }
  return 0;
}

bool Global::free(uintptr_t address) {
  const auto found = live_.find(address);
  if (found == live_.end()) return false;
  const size_t bytes = found->second, at = address - region.begin;
  used -= (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  live_.erase(found);
  std::memset(region.state + at, 0, bytes);
  if (bytes >= 1 << 18) {
    discard(reinterpret_cast<char *>(address), reinterpret_cast<char *>(address + bytes));
    discard(region.state + at, region.state + at + bytes);
    discard(region.touches + at / 2, region.touches + (at + bytes) / 2);
  }
  return true;
}

size_t Global::size_of(uintptr_t address) const {
  const auto found = live_.find(address);
  return found == live_.end() ? 0 : found->second;
}

Global::Range Global::near(uintptr_t address) const {
  auto above = live_.upper_bound(address);
  if (above == live_.begin()) return {0, 0};
  --above;
  return {above->first, above->second};
}

bool Global::inside(uintptr_t address, size_t bytes) const {
  const Range range = near(address);
  return range.begin != 0 && address - range.begin <= range.bytes && bytes <= range.bytes - (address - range.begin);
}

void Global::mark_written(uintptr_t address, size_t bytes) {
  std::memset(region.state + (address - region.begin), LIVE | WRITTEN, bytes);
}

void Global::copy_state(uintptr_t to, uintptr_t from, size_t bytes) {
  std::memmove(region.state + (to - region.begin), region.state + (from - region.begin), bytes);
}

}  // namespace simt
