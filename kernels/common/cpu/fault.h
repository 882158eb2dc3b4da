// The fault words of a device: u32[4] code, label, position, value. The first fault since they were read stays.
#pragma once
#include <cstdint>

namespace consilium {

inline void report_bad_index(void *faults, uint32_t label, uint32_t position, int32_t value) {
  auto *words = static_cast<uint32_t *>(faults);
  uint32_t none = 0;
  if (!__atomic_compare_exchange_n(words, &none, 1u, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) return;
  words[1] = label;
  words[2] = position;
  words[3] = static_cast<uint32_t>(value);
}

}  // namespace consilium
