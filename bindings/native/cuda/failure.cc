#include "bindings/native/cuda/failure.h"

namespace consilium::cuda {

std::string text_of(const Driver &driver, Result result) {
  const char *name = nullptr, *text = nullptr;
  if (driver.cuGetErrorName(result, &name) != success || name == nullptr) return "CUDA error " + std::to_string(result);
  if (driver.cuGetErrorString(result, &text) != success || text == nullptr) return name;
  return std::string(name) + ": " + text;
}

bool is_sticky(Result result) {
  switch (result) {
    case deinitialized:
    case ecc_uncorrectable:
    case nvlink_uncorrectable:
    case contained:
    case illegal_address:
    case launch_timeout:
    case context_is_destroyed:
    case assertion:
    case hardware_stack_error:
    case illegal_instruction:
    case misaligned_address:
    case invalid_address_space:
    case invalid_pc:
    case launch_failed:
    case external_device: return true;
    default: return false;
  }
}

}  // namespace consilium::cuda
