// Modules, kernels and their launches.
#include <dlfcn.h>
#include <link.h>
#include <unistd.h>
#include <cstring>
#include <new>

#include "driver.h"

using simt::driver;

namespace {

// Where the segments of a loaded library lie.
void find_image(CUmod_st &module) {
  module.image_begin = module.image_end = 0;
  dl_iterate_phdr(
      [](dl_phdr_info *info, size_t, void *data) {
        auto *found = static_cast<CUmod_st *>(data);
        if (info->dlpi_addr != static_cast<link_map *>(found->library)->l_addr) return 0;
        uintptr_t end = 0;
        for (int i = 0; i < info->dlpi_phnum; ++i)
          if (info->dlpi_phdr[i].p_type == PT_LOAD) end = info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
        found->image_begin = info->dlpi_addr;
        found->image_end = info->dlpi_addr + end;
        return 1;
      },
      &module);
}

int shared_bytes(const CUmod_st &module) {
  size_t bytes = 0;
  for (const simt::Variable *v = module.variables; v != module.variables_end; ++v) bytes += v->bytes;
  return static_cast<int>(bytes);
}

uint64_t mixed(uint64_t seed, const char *name) {
  for (; *name; ++name) seed = (seed ^ static_cast<unsigned char>(*name)) * 0x100000001b3u;
  return seed;
}

void launch(CUctx_st *context, const CUfunc_st &function, simt::Launch launch,
            const std::vector<std::vector<uint8_t>> &values) {
  if (driver.sticky != CUDA_SUCCESS) return;
  if (++driver.launches == simt::failing_launch()) {
    driver.sticky = CUDA_ERROR_ILLEGAL_ADDRESS;
    driver.report =
        "an illegal memory access was encountered (launch " + std::to_string(driver.launches) + " was told to fail)";
    return;
  }
  std::vector<void *> arguments;
  for (const auto &value : values) arguments.push_back(const_cast<uint8_t *>(value.data()));
  launch.arguments = arguments.data();
  launch.seed = mixed(simt::seed() * 0x9e3779b97f4a7c15u, function.kernel->name);
  const simt::Outcome outcome = simt::run(launch, context->memory->region);
  if (outcome.code == CUDA_SUCCESS) return;
  driver.sticky = outcome.code;
  driver.report = outcome.report;
}

}  // namespace

CUDA_API CUresult cuModuleLoad(CUmod_st **module, const char *path) {
  BEGIN_CALL();
  if (access(path, R_OK) != 0) return CUDA_ERROR_FILE_NOT_FOUND;
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    if (simt::setting("VERBOSE", 0)) fprintf(stderr, "cuda-sim: %s\n", dlerror());
    return CUDA_ERROR_INVALID_IMAGE;
  }
  auto found = std::make_unique<CUmod_st>();
  found->path = path;
  found->library = library;
  const auto *variables = static_cast<const simt::Variable *const *>(dlsym(library, "simt_module"));
  if (!variables) {
    dlclose(library);
    return CUDA_ERROR_INVALID_IMAGE;
  }
  found->variables = variables[0], found->variables_end = variables[1];
  find_image(*found);
  *module = found.release();
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuModuleUnload(CUmod_st *module) {
  BEGIN_CALL();
  if (!module) return CUDA_ERROR_INVALID_HANDLE;
  dlclose(module->library);
  delete module;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuModuleGetFunction(CUfunc_st **function, CUmod_st *module, const char *symbol) {
  BEGIN_CALL();
  if (!module) return CUDA_ERROR_INVALID_HANDLE;
  const auto *kernel =
      static_cast<const simt::Kernel *>(dlsym(module->library, (std::string("simt_kernel_") + symbol).c_str()));
  if (!kernel) return CUDA_ERROR_NOT_FOUND;
  module->functions.push_back(std::make_unique<CUfunc_st>(CUfunc_st{module, kernel, 48 << 10}));
  *function = module->functions.back().get();
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuFuncSetAttribute(CUfunc_st *function, int attribute, int value) {
  BEGIN_CALL();
  if (!function) return CUDA_ERROR_INVALID_HANDLE;
  if (attribute == FUNCTION_CARVEOUT) return CUDA_SUCCESS;
  if (attribute != FUNCTION_MAX_DYNAMIC_BYTES || value < 0 || value > 227 << 10) return CUDA_ERROR_INVALID_VALUE;
  function->max_dynamic_bytes = value;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuFuncGetAttribute(int *value, int attribute, CUfunc_st *function) {
  BEGIN_CALL();
  if (!function) return CUDA_ERROR_INVALID_HANDLE;
  switch (attribute) {
    case FUNCTION_MAX_THREADS:
      *value = function->kernel->max_threads ? static_cast<int>(function->kernel->max_threads) : 1024;
      break;
    // Of all kernels of the file: which of its variables a kernel uses is not known.
    case FUNCTION_SHARED_BYTES: *value = shared_bytes(*function->module); break;
    case FUNCTION_CONST_BYTES:
    case FUNCTION_LOCAL_BYTES: *value = 0; break;
    case FUNCTION_REGISTERS: *value = 32; break;
    case FUNCTION_PTX_VERSION:
    case FUNCTION_BINARY_VERSION: *value = static_cast<int>(simt::capability()); break;
    case FUNCTION_MAX_DYNAMIC_BYTES: *value = function->max_dynamic_bytes; break;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuLaunchKernel(CUfunc_st *function, unsigned int gridX, unsigned int gridY, unsigned int gridZ,
                                 unsigned int blockX, unsigned int blockY, unsigned int blockZ,
                                 unsigned int sharedBytes, CUstream_st *stream, void **parameters, void **extra) {
  BEGIN_CALL();
  if (simt::host_is_full()) throw std::bad_alloc();
  if (!function) return CUDA_ERROR_INVALID_HANDLE;
  const auto threads = uint64_t{blockX} * blockY * blockZ;
  if (extra || gridX == 0 || gridY == 0 || gridZ == 0 || gridX > 2147483647u || gridY > 65535 || gridZ > 65535 ||
      threads == 0 || blockX > 1024 || blockY > 1024 || blockZ > 64 || threads > 1024 ||
      sharedBytes > static_cast<unsigned int>(function->max_dynamic_bytes))
    return CUDA_ERROR_INVALID_VALUE;
  if (function->kernel->max_threads && threads > function->kernel->max_threads)
    return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  std::vector<std::vector<uint8_t>> values;
  for (unsigned int i = 0; function->kernel->sizes[i] != 0; ++i) {
    const auto *value = static_cast<const uint8_t *>(parameters[i]);
    values.emplace_back(value, value + function->kernel->sizes[i]);
  }
  const CUmod_st &module = *function->module;
  simt::Launch what{};
  what.kernel = function->kernel;
  what.grid = {gridX, gridY, gridZ};
  what.block = {blockX, blockY, blockZ};
  what.dynamic_bytes = sharedBytes;
  what.variables = module.variables, what.variables_end = module.variables_end;
  what.image_begin = module.image_begin, what.image_end = module.image_end;
  CUctx_st *context = simt::current_context();
  return simt::enqueue(stream, [=] { launch(context, *function, what, values); });
}
