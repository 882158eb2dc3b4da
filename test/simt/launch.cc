// Launches one kernel of the simulator, for tests and by hand:
//
//   build/simt/launch MODULE KERNEL grid=2,1,1 block=64 shared=0 f32=1,2,3 f32:8 u32:4=0 null params=u32:3,f32:0.5
//
// Arguments of the kernel in order: f32=1,2,3 are these values in memory; f32:8 is memory for eight that nobody has written;
// f32:8=0 is filled with one value, f32:8=ramp with 0, 1, 2, ...; null is a null pointer; params=... is a struct by value.
// Types: f32 u32 i32 u16 u8 u64. Prints each memory as a line of JSON; null stands for what no JSON number is. A fault of the
// kernel goes to stderr, and the exit code is 1.
#include <dlfcn.h>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

#include "cuda-abi.h"

namespace {

void *library;

template <class... A>
void call(const char *name, A... arguments) {
  auto *function = reinterpret_cast<CUresult (*)(A...)>(dlsym(library, name));
  if (!function) std::fprintf(stderr, "launch: the driver has no %s\n", name), std::exit(2);
  const CUresult result = function(arguments...);
  if (result == CUDA_SUCCESS) return;
  const char *text = nullptr;
  reinterpret_cast<CUresult (*)(CUresult, const char **)>(dlsym(library, "cuGetErrorString"))(result, &text);
  std::fprintf(stderr, "%d %s: %s\n", result, name, text ? text : "?");
  std::exit(1);
}

std::vector<std::string> split(const std::string &text, char separator) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

[[noreturn]] void usage(const std::string &text) {
  std::fprintf(stderr, "launch: cannot read %s; the head of test/simt/launch.cc shows how arguments look\n",
               text.c_str());
  std::exit(2);
}

size_t size_of(const std::string &type) {
  if (type == "f32" || type == "u32" || type == "i32") return 4;
  if (type == "u16") return 2;
  if (type == "u8") return 1;
  if (type == "u64") return 8;
  usage(type);
}

void put(std::vector<uint8_t> &bytes, const std::string &type, const std::string &text) {
  const size_t at = bytes.size();
  bytes.resize(at + size_of(type));
  if (type == "f32") {
    const float value = std::strtof(text.c_str(), nullptr);
    std::memcpy(&bytes[at], &value, 4);
  } else {
    const auto value = type == "i32" ? static_cast<uint64_t>(std::strtoll(text.c_str(), nullptr, 0))
                                     : std::strtoull(text.c_str(), nullptr, 0);
    std::memcpy(&bytes[at], &value, size_of(type));
  }
}

struct Memory {
  std::string type;
  size_t bytes;
  CUdeviceptr address;
};

struct Argument {
  std::vector<uint8_t> value;  // what the kernel is passed
};

void print(const Memory &memory) {
  std::vector<uint8_t> bytes(memory.bytes);
  call("cuMemcpyDtoHAsync_v2", static_cast<void *>(bytes.data()), memory.address, memory.bytes,
       static_cast<void *>(nullptr));
  const size_t size = size_of(memory.type);
  std::printf("[");
  for (size_t i = 0; i < bytes.size() / size; ++i) {
    std::printf(i ? "," : "");
    if (memory.type == "f32") {
      float value;
      std::memcpy(&value, &bytes[4 * i], 4);
      if (std::isfinite(value))
        std::printf("%.17g", static_cast<double>(value));
      else
        std::printf("null");
    } else {
      uint64_t value = 0;
      std::memcpy(&value, &bytes[size * i], size);
      if (memory.type == "i32")
        std::printf("%d", static_cast<int32_t>(value));
      else
        std::printf("%llu", static_cast<unsigned long long>(value));
    }
  }
  std::printf("]\n");
}

}  // namespace

int main(int count, char **words) {
  if (count < 3) usage("the arguments");
  const char *named = std::getenv("CONSILIUM_CUDA_DRIVER");
  std::string path = named ? named : std::string(words[0]);
  if (!named) path = path.substr(0, path.find_last_of('/') + 1) + "libcuda-simt.so";
  library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) std::fprintf(stderr, "launch: %s\n", dlerror()), std::exit(2);

  call("cuInit", 0u);
  void *context, *module, *function;
  call("cuDevicePrimaryCtxRetain", &context, 0);
  call("cuCtxSetCurrent", context);
  call("cuModuleLoad", &module, static_cast<const char *>(words[1]));
  call("cuModuleGetFunction", &function, module, static_cast<const char *>(words[2]));

  unsigned int grid[3] = {1, 1, 1}, block[3] = {32, 1, 1}, shared = 0;
  std::vector<Memory> memories;
  std::vector<Argument> arguments;
  for (int i = 3; i < count; ++i) {
    const std::string word = words[i];
    const size_t equals = word.find('=');
    const std::string key = word.substr(0, equals), values = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (key == "grid" || key == "block") {
      const auto parts = split(values, ',');
      for (size_t part = 0; part < parts.size() && part < 3; ++part)
        (key == "grid" ? grid : block)[part] = static_cast<unsigned int>(std::stoul(parts[part]));
    } else if (key == "shared") {
      shared = static_cast<unsigned int>(std::stoul(values));
    } else if (key == "null") {
      arguments.push_back({std::vector<uint8_t>(8)});
    } else if (key == "params") {
      Argument argument;
      for (const std::string &part : split(values, ',')) {
        const auto pair = split(part, ':');
        if (pair.size() != 2) usage(word);
        put(argument.value, pair[0], pair[1]);
      }
      arguments.push_back(argument);
    } else {
      const auto pair = split(key, ':');
      std::vector<uint8_t> bytes;
      Memory memory{pair[0], 0, 0};
      if (pair.size() == 1) {
        for (const std::string &value : split(values, ',')) put(bytes, pair[0], value);
        memory.bytes = bytes.size();
      } else {
        const size_t length = std::stoul(pair[1]);
        memory.bytes = length * size_of(pair[0]);
        for (size_t e = 0; !values.empty() && e < length; ++e)
          put(bytes, pair[0], values == "ramp" ? std::to_string(e) : values);
      }
      call("cuMemAllocAsync", &memory.address, memory.bytes, static_cast<void *>(nullptr));
      call("cuMemcpyHtoDAsync_v2", memory.address, static_cast<const void *>(bytes.data()), bytes.size(),
           static_cast<void *>(nullptr));
      memories.push_back(memory);
      Argument argument{std::vector<uint8_t>(8)};
      std::memcpy(argument.value.data(), &memory.address, 8);
      arguments.push_back(argument);
    }
  }
  if (shared > 48 << 10) call("cuFuncSetAttribute", function, 8, static_cast<int>(shared));
  std::vector<void *> pointers;
  for (Argument &argument : arguments) pointers.push_back(argument.value.data());
  call("cuLaunchKernel", function, grid[0], grid[1], grid[2], block[0], block[1], block[2], shared,
       static_cast<void *>(nullptr), pointers.data(), static_cast<void **>(nullptr));
  call("cuStreamSynchronize", static_cast<void *>(nullptr));
  for (const Memory &memory : memories) print(memory);
}
