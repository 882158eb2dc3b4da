#include "bindings/native/cuda/driver.h"

#include <dlfcn.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "bindings/native/cuda/failure.h"

namespace consilium::cuda {
namespace {

// The oldest family whose drivers run what any of its toolkits compiled for sm_90, and that has every function of the
// table (the last to come were those of 11.4). Kernels of a later family's toolkit need its drivers: loading them says so.
constexpr int oldest_version = 12000;
constexpr const char *get_driver = "Install NVIDIA's driver 525 or later, or use the webgpu or cpu device.";

std::string library_name() {
  const char *named = std::getenv("CONSILIUM_CUDA_DRIVER");
  return named == nullptr || *named == '\0' ? "libcuda.so.1" : named;
}

struct Close {
  void operator()(void *library) const { dlclose(library); }
};

std::unique_ptr<Driver> load(const std::string &name) {
  std::unique_ptr<void, Close> library(dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (!library)
    throw std::runtime_error(std::string("there is no NVIDIA driver here (") + dlerror() + "). " + get_driver);
  auto driver = std::make_unique<Driver>();
  // Its age first: an older driver lacks functions, and that is why.
  using GetVersion = Result (*)(int *);
  const auto version = reinterpret_cast<GetVersion>(dlsym(library.get(), "cuDriverGetVersion"));
  if (version == nullptr || version(&driver->version) != success)
    throw std::runtime_error(name + " is not NVIDIA's driver: it does not tell its version. " + get_driver);
  if (driver->version < oldest_version) {
    const Version v = version_of(driver->version);
    throw std::runtime_error("the NVIDIA driver is too old: it is for CUDA " + std::to_string(v.major) + "." +
                             std::to_string(v.minor) + ", and 12.0 is needed. " + get_driver);
  }
#define CONSILIUM_CUDA_FIND(name, parameters)                                           \
  driver->name = reinterpret_cast<decltype(driver->name)>(dlsym(library.get(), #name)); \
  if (driver->name == nullptr)                                                          \
    throw std::runtime_error(std::string("the NVIDIA driver lacks " #name ". ") + get_driver);
  CONSILIUM_CUDA_FUNCTIONS(CONSILIUM_CUDA_FIND)
#undef CONSILIUM_CUDA_FIND
  const Result result = driver->cuInit(0);
  if (result == no_device)
    throw std::runtime_error(
        "the driver finds no NVIDIA GPU. Where there is one, look at CUDA_VISIBLE_DEVICES, or use the webgpu or cpu "
        "device.");
  if (result != success)
    throw std::runtime_error("the NVIDIA driver does not start: " + text_of(*driver, result) +
                             ". See nvidia-smi, or use the webgpu or cpu device.");
  library.release();
  return driver;
}

}  // namespace

const Driver &load_driver() {
  static std::mutex mutex;
  static std::map<std::string, std::unique_ptr<Driver>> drivers;
  std::lock_guard<std::mutex> lock(mutex);
  const std::string name = library_name();
  auto &driver = drivers[name];
  if (!driver) driver = load(name);
  return *driver;
}

}  // namespace consilium::cuda
