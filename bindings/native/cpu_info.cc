#include "bindings/native/cpu_info.h"

#include <hwy/targets.h>

#include <cstring>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace consilium {

std::string chip_name() {
#if defined(__x86_64__)
  uint32_t words[12], a, b, c, d;
  if (__get_cpuid(0x80000000u, &a, &b, &c, &d) && a >= 0x80000004u) {
    for (uint32_t i = 0; i < 3; ++i)
      __get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2], &words[4 * i + 3]);
    char brand[49] = {};
    std::memcpy(brand, words, 48);
    const char *start = brand;
    while (*start == ' ') ++start;
    return start;
  }
#endif
  return "";
}

std::string target_name() {
  const int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  // Better targets have lower bits. Where none is left, Highway falls back to what the compiler may assume.
  return hwy::TargetName(usable == 0 ? int64_t{HWY_STATIC_TARGET} : usable & -usable);
}

std::string restrict_target(const std::string &name) {
  std::string known;
  for (int64_t rest = HWY_TARGETS; rest != 0; rest &= rest - 1) {
    const int64_t target = rest & -rest;
    known += std::string(known.empty() ? "" : ", ") + hwy::TargetName(target);
    if (name != hwy::TargetName(target)) continue;
    hwy::DisableTargets(target - 1);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    return "";
  }
  return "consilium: CONSILIUM_SIMD=" + name + " is not one of " + known;
}

}  // namespace consilium
