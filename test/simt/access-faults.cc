#include "access-faults.h"

#include <cstdio>

#include "stamp.h"

namespace simt {
namespace {

constexpr int ILLEGAL_ADDRESS = 700, MISALIGNED_ADDRESS = 716, LAUNCH_FAILED = 719;

const char *verb(Access access) {
  return access == Access::READ ? "read" : access == Access::WRITE ? "write" : "atomic operation";
}

std::string hex(uintptr_t address) {
  char text[32];
  snprintf(text, sizeof text, "0x%zx", static_cast<size_t>(address));
  return text;
}

std::string size_text(size_t bytes) { return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes"); }

std::string site_text(uint32_t site) {
  return site == 0 ? "" : " at " + place_of(reinterpret_cast<Site>(block.launch.image_begin + site));
}

const char *space(const Region &region) { return &region == &block.global ? "global" : "shared"; }

}  // namespace

[[noreturn]] void outside(Access access, uintptr_t address, size_t bytes) {
  const std::string what = std::string(verb(access)) + " of " + size_text(bytes) + " ";
  const uintptr_t dynamic = address - block.dynamic.begin;
  if (dynamic < block.dynamic.size + 4096 && block.dynamic.begin != 0) {
    fault(ILLEGAL_ADDRESS, what + "at byte " + std::to_string(dynamic) + " of dynamic shared memory, which has " +
                               std::to_string(block.dynamic.size));
  }
  if (block.statics.size != 0 && address + 4096 > block.statics.begin &&
      address < block.statics.begin + block.statics.size + 4096) {
    fault(ILLEGAL_ADDRESS, what + "outside the variables in shared memory");
  }
  if (block.global.holds(address)) {
    // The nearest allocation, found by its live bytes.
    const size_t at = address - block.global.begin;
    size_t back = at, ahead = at;
    while (back > 0 && at - back < 1 << 20 && !(block.global.state[back - 1] & LIVE)) --back;
    while (ahead < at + (1 << 16) && !(block.global.state[ahead] & LIVE)) ++ahead;
    if (block.global.state[at] & LIVE) {
      size_t live = 0;
      while (live < bytes && block.global.state[at + live] & LIVE) ++live;
      fault(ILLEGAL_ADDRESS,
            what + "of global memory across the end of an allocation: " + std::to_string(live) + " inside");
    }
    if (back > 0 && at - back < 1 << 20 && at - back <= ahead - at) {
      fault(ILLEGAL_ADDRESS,
            what + "of global memory, " + std::to_string(at - back) + " past the end of an allocation");
    }
    if (block.global.state[ahead] & LIVE) {
      fault(ILLEGAL_ADDRESS,
            what + "of global memory, " + std::to_string(ahead - at) + " before the start of an allocation");
    }
    fault(ILLEGAL_ADDRESS, what + "of global memory that is not allocated, at " + hex(address));
  }
  for (unsigned int t = 0; t < block.threads; ++t) {
    const Stack &stack = stack_of(t);
    if (address >= stack.begin && address < stack.end)
      fault(ILLEGAL_ADDRESS, what + "of local variables of thread " + name_of(block.all[t]));
  }
  if (address < 1 << 16) fault(ILLEGAL_ADDRESS, what + "at a null pointer, " + hex(address));
  fault(ILLEGAL_ADDRESS, what + "at " + hex(address) + ", which is no memory of the device");
}

[[noreturn]] void bad_state(Access access, const Region &region, uintptr_t address, size_t bytes) {
  const uint8_t *state = region.state + (address - region.begin);
  for (size_t i = 0; i < bytes; ++i)
    if (!(state[i] & LIVE)) outside(access, address, bytes);
  for (size_t i = 0; i < bytes; ++i)
    if (state[i] & PENDING)
      fault(LAUNCH_FAILED,
            std::string(verb(access)) + " of " + size_text(bytes) + " of " + space(region) +
                " memory while an asynchronous copy to it is under way: its group has not been waited for");
  size_t first = 0;
  while (first < bytes && state[first] & WRITTEN) ++first;
  fault(LAUNCH_FAILED, std::string(verb(access)) + " of " + size_text(bytes) + " of " + space(region) +
                           " memory of which byte " + std::to_string(first) + " was never written");
}

[[noreturn]] void race(Access access, const Region &region, const char *earlier, uint64_t stamp, uint32_t site) {
  std::string who;
  const uint64_t segment = segment_of(stamp);
  if (segment < block.block_segment) {
    who = "another block";
  } else if (kind_of(stamp) == LANES) {
    who = "lanes of warp " + std::to_string(who_of(stamp));
  } else if (kind_of(stamp) == MANY) {
    who = "several warps";
  } else {
    who = "thread " + name_of(block.all[who_of(stamp)]);
  }
  fault(LAUNCH_FAILED, std::string("race in ") + space(region) + " memory: " + verb(access) +
                           " without a barrier after the " + earlier + " by " + who + site_text(site));
}

[[noreturn]] void misaligned(Access access, uintptr_t address, size_t alignment) {
  fault(MISALIGNED_ADDRESS, std::string(verb(access)) + " of " + size_text(alignment) +
                                " at an address that is not a multiple of " + std::to_string(alignment) + ": " +
                                hex(address % alignment) + " past one");
}

}  // namespace simt
