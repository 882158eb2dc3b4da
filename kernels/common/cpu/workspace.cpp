// Per-thread workspace. It grows in powers of two, so that a kernel called with rising sizes allocates rarely.
#include <cstdio>
#include <cstdlib>

#include "kernels/common/cpu/kernel.h"

namespace consilium {
namespace {

struct Workspace {
  void *data = nullptr;
  size_t bytes = 0;
  ~Workspace() { std::free(data); }
};
thread_local Workspace workspace;

}  // namespace

void *thread_workspace(size_t bytes) {
  if (bytes <= workspace.bytes) return workspace.data;
  size_t size = 4096;
  while (size < bytes) size *= 2;
  std::free(workspace.data);
  workspace.data = std::aligned_alloc(64, size);
  // A kernel has no way to report an error; what it would do without its workspace is worse than stopping here.
  if (workspace.data == nullptr) {
    std::fprintf(stderr, "consilium: no memory for a kernel workspace of %zu bytes\n", size);
    std::abort();
  }
  workspace.bytes = size;
  return workspace.data;
}

}  // namespace consilium
