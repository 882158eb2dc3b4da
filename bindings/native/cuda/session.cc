#include "bindings/native/cuda/session.h"

#include <cstdint>
#include <map>
#include <mutex>

#include "bindings/native/cuda/failure.h"

namespace consilium::cuda {
namespace {

constexpr int oldest_capability = 80;  // bf16 on the tensor cores, cp.async
constexpr size_t least_free = 200;     // a 200th of the memory: less is no device, but what others left over

std::mutex mutex;
// Why the context of a GPU is broken: it is the process's, and all devices opened on the GPU share it.
std::map<DeviceId, std::string> &broken() {
  static std::map<DeviceId, std::string> reasons;
  return reasons;
}

std::string mebibytes(size_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

int attribute(const Driver &driver, DeviceId device, int which) {
  int value = 0;
  check(driver, driver.cuDeviceGetAttribute(&value, which, device), "cuDeviceGetAttribute");
  return value;
}

Gpu describe(const Driver &driver, DeviceId device) {
  Gpu gpu;
  char name[256] = {};
  check(driver, driver.cuDeviceGetName(name, sizeof(name), device), "cuDeviceGetName");
  gpu.name = name;
  gpu.capability = 10 * attribute(driver, device, capability_major) + attribute(driver, device, capability_minor);
  gpu.multiprocessors = attribute(driver, device, multiprocessor_count);
  gpu.max_shared_bytes = attribute(driver, device, max_shared_bytes_optin);
  gpu.cache_bytes = attribute(driver, device, l2_cache_size);
  check(driver, driver.cuDeviceTotalMem_v2(&gpu.total_bytes, device), "cuDeviceTotalMem");
  return gpu;
}

std::string crowded(const Gpu &gpu) {
  return gpu.name + " has no memory left for this process (" + mebibytes(gpu.free_bytes) + " of " +
         mebibytes(gpu.total_bytes) +
         " are free): another process holds it. nvidia-smi shows which; end it, or choose another GPU by its index.";
}

}  // namespace

Session::Session(int index) : driver(load_driver()) {
  gpu.name = "GPU " + std::to_string(index);
  try {
    open(index);
  } catch (const Failure &failure) {
    close();
    std::string earlier;
    {
      std::lock_guard<std::mutex> lock(mutex);
      const auto found = broken().find(device_);
      if (found != broken().end()) earlier = found->second;
    }
    if (!earlier.empty())
      throw std::runtime_error("the work of this process on " + gpu.name + " failed earlier (" + earlier +
                               "), and the driver keeps its context broken. Start a new process.");
    if (failure.result == out_of_memory) throw std::runtime_error(crowded(gpu));
    if (failure.result == device_unavailable)
      throw std::runtime_error(gpu.name + " is taken by another process (" + failure.what() +
                               "). End that one, or set the GPU's compute mode to default: nvidia-smi -c 0.");
    throw std::runtime_error(gpu.name + " does not open: " + failure.what() + ". See nvidia-smi.");
  } catch (...) {
    close();
    throw;
  }
}

Session::~Session() { close(); }

void Session::open(int index) {
  int count = 0;
  check(driver, driver.cuDeviceGetCount(&count), "cuDeviceGetCount");
  if (index >= count)
    throw std::runtime_error("there is no GPU " + std::to_string(index) + ": the driver finds " +
                             std::to_string(count) + ", counted from 0. See CUDA_VISIBLE_DEVICES.");
  check(driver, driver.cuDeviceGet(&device_, index), "cuDeviceGet");
  gpu = describe(driver, device_);
  if (gpu.capability < oldest_capability)
    throw std::runtime_error(gpu.name + " is sm_" + std::to_string(gpu.capability) +
                             ", and the kernels need sm_80 (Ampere) or later. Use the webgpu or cpu device.");
  Context context = nullptr;
  check(driver, driver.cuDevicePrimaryCtxRetain(&context, device_), "cuDevicePrimaryCtxRetain");
  context_ = context;
  check(driver, driver.cuCtxSetCurrent(context_), "cuCtxSetCurrent");
  check(driver, driver.cuMemGetInfo_v2(&gpu.free_bytes, &gpu.total_bytes), "cuMemGetInfo");
  if (gpu.free_bytes < gpu.total_bytes / least_free) throw std::runtime_error(crowded(gpu));
  check(driver, driver.cuStreamCreate(&stream, stream_non_blocking), "cuStreamCreate");
  check(driver, driver.cuStreamCreate(&recorder, stream_non_blocking), "cuStreamCreate");
  check(driver, driver.cuDeviceGetDefaultMemPool(&pool, device_), "cuDeviceGetDefaultMemPool");
  // Memory that is freed stays with the process: the next allocation takes microseconds, not a call of the system.
  uint64_t keep = UINT64_MAX;
  check(driver, driver.cuMemPoolSetAttribute(pool, release_threshold, &keep), "cuMemPoolSetAttribute");
  check(driver, driver.cuStreamSynchronize(stream), "cuStreamSynchronize");
  // Where the driver made a new context, what broke the one before is past.
  std::lock_guard<std::mutex> lock(mutex);
  broken().erase(device_);
}

// Results do not count here: in a broken context every call fails, and what it held goes with it.
void Session::close() {
  if (context_ == nullptr) return;
  enter();
  if (stream != nullptr) driver.cuStreamSynchronize(stream);
  if (pool != nullptr) driver.cuMemPoolTrimTo(pool, 0);
  if (stream != nullptr) driver.cuStreamDestroy_v2(stream);
  if (recorder != nullptr) driver.cuStreamDestroy_v2(recorder);
  driver.cuCtxSetCurrent(nullptr);
  driver.cuDevicePrimaryCtxRelease_v2(device_);
  context_ = nullptr;
}

void Session::broke(const std::string &reason) const {
  std::lock_guard<std::mutex> lock(mutex);
  broken().emplace(device_, reason);
}

}  // namespace consilium::cuda
