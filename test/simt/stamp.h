// Each two bytes keep the stamps of their last write and of their last reads. A stamp is, from the high bits:
//   40 bits  the segment of time in which the thread touched them
//   20 bits  who: a thread, the warp whose lanes have read, or nobody in particular where several warps have read
//    2 bits  which of these (Who); for a write whether it was atomic
//    2 bits  which of the two bytes
#pragma once
#include <cstdint>

namespace simt {

enum Who : uint64_t { ONE = 0, LANES = 1, MANY = 2, ATOMIC_WRITE = 3 };
constexpr uint64_t segment_of(uint64_t stamp) { return stamp >> 24; }
constexpr unsigned int who_of(uint64_t stamp) { return stamp >> 4 & 0xfffff; }
constexpr Who kind_of(uint64_t stamp) { return static_cast<Who>(stamp >> 2 & 3); }
constexpr uint64_t stamp_of(uint64_t segment, uint64_t who, Who kind, uint64_t bytes) {
  return segment << 24 | who << 4 | kind << 2 | bytes;
}

}  // namespace simt
