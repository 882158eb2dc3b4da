#include "bindings/native/cuda/kernels.h"

namespace consilium::cuda {

Kernels::~Kernels() {
  for (const auto &[file, module] : modules_) driver_.cuModuleUnload(module);
}

int Kernels::find(const std::string &file, const std::string &symbol, const std::string &label) {
  const auto key = std::make_pair(file, symbol);
  const auto known = indices_.find(key);
  if (known != indices_.end()) return known->second;
  Function function = nullptr;
  const Result result = driver_.cuModuleGetFunction(&function, load(file), symbol.c_str());
  if (result == not_found) return -1;
  if (result != success) throw Failure(driver_, result, file + ": " + symbol);
  kernels_.push_back({function, label});
  return indices_.emplace(key, static_cast<int>(kernels_.size()) - 1).first->second;
}

Module Kernels::load(const std::string &file) {
  const auto loaded = modules_.find(file);
  if (loaded != modules_.end()) return loaded->second;
  Module module = nullptr;
  const Result result = driver_.cuModuleLoad(&module, file.c_str());
  switch (result) {
    case success: return modules_.emplace(file, module).first->second;
    case invalid_image:
    case no_binary_for_gpu:
    case invalid_ptx:
    case unsupported_ptx_version: {
      const Version v = version_of(driver_.version);
      throw Failure(result, file + ": " + text_of(driver_, result) +
                                ". It was compiled for another GPU, or by a newer CUDA than this driver's (" +
                                std::to_string(v.major) + "." + std::to_string(v.minor) +
                                "). Update the driver, or compile the kernels here: CONSILIUM_CUDA=on npx consilium "
                                "setup");
    }
    default: throw Failure(driver_, result, file);
  }
}

}  // namespace consilium::cuda
