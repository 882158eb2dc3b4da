// The table of kernels: those of the addon by static Registration objects while it loads, those of libraries later.
#include <cstdio>
#include <cstring>
#include <mutex>

#include "kernels/common/cpu/kernel.h"

namespace consilium {
namespace {

// Arrays that never move: a queue thread looks kernels up while JavaScript may add others. Pages not used cost nothing.
constexpr int capacity = 1 << 14;
Kernel kernels[capacity];
const char *names[capacity];
int count = 0;
std::mutex mutex;

int add(const char *name, Kernel kernel) {
  std::lock_guard<std::mutex> lock(mutex);
  if (count == capacity) return -1;
  kernels[count] = kernel;
  names[count] = name;
  return count++;
}

}  // namespace

Registration::Registration(const char *name, Kernel kernel) {
  if (kernel_index(name) >= 0) std::fprintf(stderr, "consilium: kernel %s is registered twice\n", name);
  add(name, kernel);
}

int add_kernel(Kernel kernel) { return add(nullptr, kernel); }

int kernel_index(const char *name) {
  std::lock_guard<std::mutex> lock(mutex);
  for (int i = 0; i < count; ++i)
    if (names[i] != nullptr && std::strcmp(names[i], name) == 0) return i;
  return -1;
}

Kernel kernel_at(uint32_t index) { return kernels[index]; }

}  // namespace consilium
