// Entry of the native addon: see addon.ts.
#include <napi.h>

#include <cstdlib>

#include "bindings/native/cpu_info.h"
#include "bindings/native/cuda/device.h"
#include "bindings/native/device.h"
#include "consilium_sources.h"

namespace consilium {
namespace {

// The classes of this environment.
struct Classes {
  Napi::FunctionReference cpu, cuda;
};

Napi::Value create_device(const Napi::CallbackInfo &info) {
  return info.Env().GetInstanceData<Classes>()->cpu.New({info[0]});
}

Napi::Value create_cuda_device(const Napi::CallbackInfo &info) {
  return info.Env().GetInstanceData<Classes>()->cuda.New({info[0], info[1]});
}

// CONSILIUM_SIMD=AVX2 tests on a better machine what a lesser one would run. Returns an error text, empty on success.
std::string restrict_by_environment() {
  const char *name = std::getenv("CONSILIUM_SIMD");
  return name == nullptr || *name == '\0' ? "" : restrict_target(name);
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  // Once per process: another worker's addon may be at work by the target that this chose.
  static const std::string error = restrict_by_environment();
  if (!error.empty()) throw Napi::Error::New(env, error);
  auto *classes = new Classes{Napi::Persistent(Device::define(env)), Napi::Persistent(cuda::Device::define(env))};
  env.SetInstanceData(classes);  // deletes it with the environment
  exports.Set("sources", CONSILIUM_SOURCES);
  exports.Set("target", target_name());
  exports.Set("chip", chip_name());
  exports.Set("createDevice", Napi::Function::New(env, create_device, "createDevice"));
  exports.Set("createCudaDevice", Napi::Function::New(env, create_cuda_device, "createCudaDevice"));
  return exports;
}

NODE_API_MODULE(consilium, init)

}  // namespace
}  // namespace consilium
