// The fault words of a device: u32[4] code, label, position, value. The first fault since they were read stays.
#pragma once
#include <cstdint>

__device__ inline void report_fault(uint32_t *faults, uint32_t code, uint32_t label, uint32_t position,
                                    uint32_t value) {
  if (atomicCAS(faults, 0u, code) != 0u) return;
  faults[1] = label;
  faults[2] = position;
  faults[3] = value;
}

// `index` as its 32 bits.
__device__ inline void report_bad_index(uint32_t *faults, uint32_t label, uint32_t position, uint32_t index) {
  report_fault(faults, 1u, label, position, index);
}

__device__ inline void report_not_finite(uint32_t *faults, uint32_t label, uint32_t position) {
  report_fault(faults, 2u, label, position, 0u);
}
