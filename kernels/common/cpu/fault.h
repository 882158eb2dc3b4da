// The fault words of a device: u32[4] code, label, position, value. The first fault since they were read stays.
#pragma once
#include <cstdint>

namespace consilium {

inline void report_fault(void *faults, uint32_t code, uint32_t label, uint32_t position, uint32_t value) {
  auto *words = static_cast<uint32_t *>(faults);
  uint32_t none = 0;
  if (!__atomic_compare_exchange_n(words, &none, code, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) return;
  words[1] = label;
  words[2] = position;
  words[3] = value;
}

inline void report_bad_index(void *faults, uint32_t label, uint32_t position, int32_t value) {
  report_fault(faults, 1, label, position, static_cast<uint32_t>(value));
}

inline void report_not_finite(void *faults, uint32_t label, uint32_t position) {
  report_fault(faults, 2, label, position, 0);
}

}  // namespace consilium
