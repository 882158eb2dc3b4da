// The table of kernels, filled by static Registration objects while the addon loads, read-only afterwards.
#include <cstdio>
#include <cstring>
#include <vector>

#include "kernels/common/cpu/kernel.h"

namespace consilium {
namespace {

struct Entry {
  const char *name;
  Kernel kernel;
};

// A function's static, since registrations in other files may run before this file's own statics exist.
std::vector<Entry> &table() {
  static std::vector<Entry> entries;
  return entries;
}

}  // namespace

Registration::Registration(const char *name, Kernel kernel) {
  if (kernel_index(name) >= 0) std::fprintf(stderr, "consilium: kernel %s is registered twice\n", name);
  table().push_back({name, kernel});
}

int kernel_index(const char *name) {
  const auto &entries = table();
  for (size_t i = 0; i < entries.size(); ++i)
    if (std::strcmp(entries[i].name, name) == 0) return static_cast<int>(i);
  return -1;
}

Kernel kernel_at(uint32_t index) { return table()[index].kernel; }

}  // namespace consilium
