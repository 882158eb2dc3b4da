// A tool as NVTX 3 knows them: prints the ranges that a process pushes and pops.
#include <cstddef>
#include <cstdint>
#include <cstdio>

namespace {

using AnyFunction = void (*)();
struct Callbacks {
  size_t bytes;
  int (*module_functions)(int, AnyFunction ***, unsigned *);
};

int depth = 0;
int push(const char *name) {
  std::printf("%d push %s\n", depth, name);
  std::fflush(stdout);
  return depth++;
}
int pop() {
  std::printf("%d pop\n", depth - 1);
  std::fflush(stdout);
  return --depth;
}

}  // namespace

extern "C" int InitializeInjectionNvtx2(const void *(*export_table)(uint32_t)) {
  constexpr uint32_t callbacks_table = 1;
  constexpr int core_module = 1, core2_module = 5;
  constexpr unsigned range_push = 9, range_pop = 11;
  const auto *callbacks = static_cast<const Callbacks *>(export_table(callbacks_table));
  if (callbacks == nullptr || callbacks->bytes < sizeof(Callbacks) || export_table(77) != nullptr) return 0;
  AnyFunction **table = nullptr;
  unsigned size = 0;
  if (callbacks->module_functions(core2_module, &table, &size) != 0) return 0;
  if (callbacks->module_functions(core_module, &table, &size) != 1 || size < range_pop) return 0;
  *table[range_push] = reinterpret_cast<AnyFunction>(push);
  *table[range_pop] = reinterpret_cast<AnyFunction>(pop);
  return 1;
}
