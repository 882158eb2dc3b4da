#include "bindings/native/cpu_info.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bindings/native/cpu_info.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <cstring>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

HWY_BEFORE_NAMESPACE();
namespace consilium::HWY_NAMESPACE {
inline const char *target() { return hwy::TargetName(HWY_TARGET); }
}  // namespace consilium::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace consilium {

HWY_EXPORT(target);

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

// Asked of a function that is dispatched as kernels are: hwy::SupportedTargets() would undo a restriction.
std::string target_name() { return HWY_DYNAMIC_DISPATCH(target)(); }

std::string restrict_target(const std::string &name) {
  std::string known;
  for (int64_t rest = HWY_TARGETS; rest != 0; rest &= rest - 1) {
    const int64_t target = rest & -rest;
    known += std::string(known.empty() ? "" : ", ") + hwy::TargetName(target);
    if (name != hwy::TargetName(target)) continue;
    // Better targets have lower bits. In this order: SupportedTargets() itself chooses among all (Highway 1.0.3).
    const int64_t supported = hwy::SupportedTargets();
    hwy::GetChosenTarget().Update(supported & -target);
    return "";
  }
  return "consilium: CONSILIUM_SIMD=" + name + " is not one of " + known;
}

}  // namespace consilium
#endif
