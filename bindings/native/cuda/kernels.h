// Compiled kernels: files of the driver (fatbins, cubins), loaded when the first of their symbols is looked up.
#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bindings/native/cuda/failure.h"

namespace consilium::cuda {

struct Kernel {
  Function function;
  std::string label;          // for people
  unsigned shared_bytes = 0;  // dynamic shared memory that it is allowed to ask for
};

class Kernels {
 public:
  explicit Kernels(const Driver &driver) : driver_(driver) {}
  ~Kernels();
  Kernels(const Kernels &) = delete;

  // Index of `symbol` in the file; -1 where it has none of that name. Throws Failure where the file does not load.
  int find(const std::string &file, const std::string &symbol, const std::string &label);
  // Null where there is none.
  Kernel *at(size_t index) { return index < kernels_.size() ? &kernels_[index] : nullptr; }
  const std::string &label(size_t index) const { return kernels_.at(index).label; }

 private:
  Module load(const std::string &file);

  const Driver &driver_;
  std::map<std::string, Module> modules_;
  std::map<std::pair<std::string, std::string>, int> indices_;
  std::vector<Kernel> kernels_;
};

}  // namespace consilium::cuda
