#include "bindings/native/library.h"

#include <dlfcn.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "kernels/common/cpu/kernel.h"

namespace consilium {
namespace {

std::mutex mutex;

// dlopen looks a bare name up along the system's path: a name here is that of a file.
std::string real_path(const std::string &path) {
  const std::unique_ptr<char, decltype(&std::free)> found(realpath(path.c_str(), nullptr), &std::free);
  if (!found)
    throw std::runtime_error("no library at " + path + " (" + std::strerror(errno) +
                             "). Compile it there: see consilium/kernel.h");
  return found.get();
}

struct Close {
  void operator()(void *library) const { dlclose(library); }
};

void *open(const std::string &path) {
  // Closed again where it is refused: once it was compiled anew, the same path must load what is there then.
  std::unique_ptr<void, Close> library(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (!library) throw std::runtime_error(std::string("its library does not load: ") + dlerror());
  const auto abi = reinterpret_cast<uint32_t (*)()>(dlsym(library.get(), "consilium_kernel_abi"));
  if (abi == nullptr)
    throw std::runtime_error(path + " is not a library of kernels. Include <consilium/kernel.h> in its source");
  if (abi() != CONSILIUM_KERNEL_ABI)
    throw std::runtime_error(path + " was compiled for ABI " + std::to_string(abi()) + " of kernels, and this is " +
                             std::to_string(CONSILIUM_KERNEL_ABI) +
                             ". Compile it again with the headers of this package: -I \"$(npx consilium include)\"");
  return library.release();
}

}  // namespace

int library_kernel(const std::string &path, const std::string &symbol) {
  static std::map<std::string, void *> libraries;
  static std::map<std::pair<void *, std::string>, int> indices;
  std::lock_guard<std::mutex> lock(mutex);
  const std::string file = real_path(path);
  auto library = libraries.find(file);
  if (library == libraries.end()) library = libraries.emplace(file, open(file)).first;
  const auto key = std::make_pair(library->second, symbol);
  const auto known = indices.find(key);
  if (known != indices.end()) return known->second;
  const auto kernel = reinterpret_cast<Kernel>(dlsym(library->second, symbol.c_str()));
  if (kernel == nullptr) return -1;
  const int index = add_kernel(kernel);
  if (index < 0) throw std::runtime_error("there are too many kernels");
  return indices.emplace(key, index).first->second;
}

}  // namespace consilium
