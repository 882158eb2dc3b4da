#include "driver.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace simt {

Driver driver;

CUctx_st *&current_context() {
  thread_local CUctx_st *context = nullptr;
  return context;
}

uint64_t setting(const char *name, uint64_t otherwise) {
  const char *text = std::getenv((std::string("CONSILIUM_SIMT_") + name).c_str());
  return text && *text ? std::strtoull(text, nullptr, 10) : otherwise;
}

void note_wait(const char *call) {
  const char *path = std::getenv("CONSILIUM_SIMT_WAITS");
  if (!path || !*path) return;
  std::FILE *file = std::fopen(path, "a");
  if (!file) return;
  std::fprintf(file, "%s\n", call);
  std::fclose(file);
}

Call::Call(bool needs_context) {
  if (!driver.initialised)
    error = CUDA_ERROR_NOT_INITIALIZED;
  else if (needs_context && driver.sticky != CUDA_SUCCESS)
    error = driver.sticky;
  else if (needs_context && (!current_context() || current_context()->retained == 0))
    error = CUDA_ERROR_INVALID_CONTEXT;
}

}  // namespace simt

using simt::driver;

namespace {

bool is_device(CUdevice device) { return device >= 0 && static_cast<size_t>(device) < driver.contexts.size(); }

int shared_optin() {
  const auto capability = simt::capability();
  return (capability >= 90 ? 227 : capability == 80 || capability == 87 ? 163 : 99) << 10;
}

CUresult attribute(int *value, int attribute) {
  switch (attribute) {
    case MAX_THREADS_PER_BLOCK:
    case MAX_BLOCK_X:
    case MAX_BLOCK_Y: *value = 1024; break;
    case MAX_BLOCK_Z: *value = 64; break;
    case MAX_GRID_X: *value = 2147483647; break;
    case MAX_GRID_Y:
    case MAX_GRID_Z: *value = 65535; break;
    case SHARED_PER_BLOCK: *value = 48 << 10; break;
    case WARP_SIZE: *value = 32; break;
    case REGISTERS_PER_BLOCK: *value = 65536; break;
    case CLOCK_RATE:
    case MEMORY_CLOCK_RATE: *value = 1000000; break;
    case MULTIPROCESSORS: *value = 16; break;
    case INTEGRATED: *value = 0; break;
    case MEMORY_BUS_WIDTH: *value = 256; break;
    case L2_SIZE: *value = 1 << 20; break;
    case UNIFIED_ADDRESSING:
    case MEMORY_POOLS_SUPPORTED: *value = 1; break;
    case CAPABILITY_MAJOR: *value = static_cast<int>(simt::capability() / 10); break;
    case CAPABILITY_MINOR: *value = static_cast<int>(simt::capability() % 10); break;
    case SHARED_PER_MULTIPROCESSOR: *value = shared_optin() + (1 << 10); break;
    case SHARED_PER_BLOCK_OPTIN: *value = shared_optin(); break;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

}  // namespace

CUDA_API CUresult cuInit(unsigned int) {
  std::lock_guard<std::recursive_mutex> lock(driver.mutex);
  if (simt::devices() == 0) return CUDA_ERROR_NO_DEVICE;
  if (driver.initialised) return CUDA_SUCCESS;
  driver.contexts.resize(simt::devices());
  for (size_t i = 0; i < driver.contexts.size(); ++i) driver.contexts[i].device = static_cast<int>(i);
  driver.initialised = true;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDriverGetVersion(int *version) {
  *version = static_cast<int>(simt::driver_version());
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuGetErrorName(CUresult error, const char **name) {
  switch (error) {
#define CASE(result, number, text) \
  case number: *name = #result; return CUDA_SUCCESS;
    CUDA_RESULTS(CASE)
#undef CASE
    default: *name = nullptr; return CUDA_ERROR_INVALID_VALUE;
  }
}

CUDA_API CUresult cuGetErrorString(CUresult error, const char **text) {
  if (error != CUDA_SUCCESS && error == driver.sticky) {
    *text = driver.report.c_str();
    return CUDA_SUCCESS;
  }
  switch (error) {
#define CASE(result, number, words) \
  case number: *text = words; return CUDA_SUCCESS;
    CUDA_RESULTS(CASE)
#undef CASE
    default: *text = nullptr; return CUDA_ERROR_INVALID_VALUE;
  }
}

CUDA_API CUresult cuDeviceGetCount(int *count) {
  BEGIN_CALL(false);
  *count = static_cast<int>(driver.contexts.size());
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDeviceGet(CUdevice *device, int index) {
  BEGIN_CALL(false);
  if (!is_device(index)) return CUDA_ERROR_INVALID_DEVICE;
  *device = index;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDeviceGetName(char *name, int size, CUdevice device) {
  BEGIN_CALL(false);
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  std::strncpy(name, "cuda-sim: kernels on the CPU", static_cast<size_t>(size));
  name[size - 1] = '\0';
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
  BEGIN_CALL(false);
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  *bytes = simt::memory_bytes();
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDeviceGetAttribute(int *value, int which, CUdevice device) {
  BEGIN_CALL(false);
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  return attribute(value, which);
}

CUDA_API CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device) {
  BEGIN_CALL(false);
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  std::memset(uuid, 0, sizeof *uuid);
  std::memcpy(uuid->bytes, "cuda-sim", 8);
  uuid->bytes[15] = static_cast<char>(device);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDevicePrimaryCtxRetain(CUctx_st **context, CUdevice device) {
  BEGIN_CALL(false);
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  if (driver.sticky != CUDA_SUCCESS) return driver.sticky;
  CUctx_st &primary = driver.contexts[static_cast<size_t>(device)];
  if (simt::held_bytes() >= simt::memory_bytes()) return CUDA_ERROR_OUT_OF_MEMORY;
  if (primary.retained++ == 0)
    primary.memory = std::make_unique<simt::Global>(simt::memory_bytes() - simt::held_bytes());
  *context = &primary;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  BEGIN_CALL(false);
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  CUctx_st &primary = driver.contexts[static_cast<size_t>(device)];
  if (primary.retained == 0) return CUDA_ERROR_INVALID_CONTEXT;
  if (--primary.retained == 0) primary.memory.reset();
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuCtxSetCurrent(CUctx_st *context) {
  BEGIN_CALL(false);
  simt::current_context() = context;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuCtxGetCurrent(CUctx_st **context) {
  BEGIN_CALL(false);
  *context = simt::current_context();
  return CUDA_SUCCESS;
}
