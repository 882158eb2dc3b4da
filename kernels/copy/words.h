// Copy kernels move bits: a storage type is a word of its size, 32-bit integers pass as f32. One symbol per type all
// the same, since a launch is found by the type of the call.
#pragma once
#include <cstdint>

#include "kernels/common/cpu/kernel.h"

#define COPY_REGISTER(name)                                                   \
  namespace {                                                                 \
  const Registration registered_##name##_f32(#name "_f32", name<uint32_t>);   \
  const Registration registered_##name##_bf16(#name "_bf16", name<uint16_t>); \
  const Registration registered_##name##_f16(#name "_f16", name<uint16_t>);   \
  }
