#include "bindings/native/cuda/nvtx.h"

#include <dlfcn.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace consilium::cuda {
namespace {

// What a tool fills in, and where: nvtxTypes.h of NVTX 3.
using AnyFunction = void (*)();
constexpr unsigned core_module = 1, range_push = 9, range_pop = 11, core_functions = 16;
constexpr uint32_t callbacks_table = 1, version_table = 3, nvtx_version = 3;

AnyFunction functions[core_functions];
AnyFunction *table[core_functions];

int module_functions(int module, AnyFunction ***out, unsigned *size) {
  if (module != core_module) return 0;
  for (unsigned i = 1; i < core_functions; ++i) table[i] = &functions[i];
  if (size != nullptr) *size = core_functions - 1;
  if (out != nullptr) *out = table;
  return 1;
}
void ignore_version(uint32_t) {}

struct Callbacks {
  size_t bytes;
  int (*module_functions)(int, AnyFunction ***, unsigned *);
};
struct Version {
  size_t bytes;
  uint32_t version, reserved;
  void (*set_tool_version)(uint32_t);
};

const void *export_table(uint32_t id) {
  static const Callbacks callbacks{sizeof(Callbacks), module_functions};
  static const Version version{sizeof(Version), nvtx_version, 0, ignore_version};
  if (id == callbacks_table) return &callbacks;
  return id == version_table ? &version : nullptr;
}

struct Tool {
  using Push = int (*)(const char *);
  using Pop = int (*)();
  Push push = nullptr;
  Pop pop = nullptr;

  Tool() {
    const char *path = std::getenv("NVTX_INJECTION64_PATH");
    if (path == nullptr || *path == '\0') return;
    void *library = dlopen(path, RTLD_LAZY);
    if (library == nullptr) return;
    using Initialize = int (*)(const void *(*)(uint32_t));
    const auto initialize = reinterpret_cast<Initialize>(dlsym(library, "InitializeInjectionNvtx2"));
    if (initialize == nullptr || initialize(export_table) == 0) return;
    if (functions[range_push] == nullptr || functions[range_pop] == nullptr) return;
    push = reinterpret_cast<Push>(functions[range_push]);
    pop = reinterpret_cast<Pop>(functions[range_pop]);
  }
};

const Tool &tool() {
  static const Tool tool;
  return tool;
}

}  // namespace

Range::Range(const char *name) {
  if (tool().push != nullptr) tool().push(name);
}

Range::~Range() {
  if (tool().pop != nullptr) tool().pop();
}

}  // namespace consilium::cuda
