#include "bindings/native/cuda/launcher.h"

#include <memory>

#include "bindings/native/cuda/command_stream.h"
#include "bindings/native/cuda/nvtx.h"

namespace consilium::cuda {
namespace {

std::string three(const unsigned (&sizes)[3]) {
  return std::to_string(sizes[0]) + " x " + std::to_string(sizes[1]) + " x " + std::to_string(sizes[2]);
}

}  // namespace

std::string describe(const Launched &launch, const Kernels &kernels) {
  if (launch.kernel < 0) return "a replay of " + std::to_string(launch.grid[0]) + " launches";
  return kernels.label(static_cast<size_t>(launch.kernel)) + ", grid " + three(launch.grid) + ", block " +
         three(launch.block);
}

// One launch where it lies in the stream.
struct Launcher::Launch {
  // Moves `at` behind it. Throws where the words are no launch.
  Launch(const uint32_t *&at, const uint32_t *end, Kernels &kernels) {
    constexpr size_t header_words = sizeof(LaunchHeader) / sizeof(uint32_t);
    header = reinterpret_cast<const LaunchHeader *>(at);
    if (static_cast<size_t>(end - at) < header_words ||
        static_cast<size_t>(end - at) < header_words + 2 * size_t{header->pointer_count} + header->param_words)
      throw std::runtime_error("a command stream ends within a launch");
    kernel = kernels.at(header->kernel);
    if (kernel == nullptr) throw std::runtime_error("a command stream names a kernel that is not loaded");
    at += header_words;
    pointers = reinterpret_cast<const uint64_t *>(at);
    at += 2 * size_t{header->pointer_count};
    params = at;
    at += header->param_words + header->param_words % 2;
  }

  Launched noted() const {
    const LaunchHeader &h = *header;
    return {static_cast<int>(h.kernel), {h.grid[0], h.grid[1], h.grid[2]}, {h.block[0], h.block[1], h.block[2]}};
  }

  const LaunchHeader *header;
  Kernel *kernel;
  const uint64_t *pointers;
  const uint32_t *params;
};

Result Launcher::launch(const Launch &launch, Stream stream) {
  const LaunchHeader &h = *launch.header;
  Kernel &kernel = *launch.kernel;
  // Also below the 48 KiB that a kernel gets without asking: its static shared memory is part of those.
  if (h.shared_bytes > kernel.shared_bytes) {
    const Result result =
        driver_.cuFuncSetAttribute(kernel.function, max_dynamic_shared_bytes, static_cast<int>(h.shared_bytes));
    if (result != success) return result;
    kernel.shared_bytes = h.shared_bytes;
  }
  // The driver copies what the arguments point to before it returns.
  arguments_.clear();
  for (uint32_t i = 0; i < h.pointer_count; ++i) arguments_.push_back(const_cast<uint64_t *>(&launch.pointers[i]));
  arguments_.push_back(const_cast<uint32_t *>(launch.params));
  const Range range(kernel.label.c_str());
  return driver_.cuLaunchKernel(kernel.function, h.grid[0], h.grid[1], h.grid[2], h.block[0], h.block[1], h.block[2],
                                h.shared_bytes, stream, arguments_.data(), nullptr);
}

void Launcher::run(const uint32_t *words, size_t count, Stream stream, Timeline &timeline, Profile *profile) {
  std::unique_ptr<Failure> refused;
  for (const uint32_t *at = words, *end = words + count; at < end;) {
    const Launch next(at, end, kernels_);
    const Launched noted = next.noted();
    timeline.launched(noted);
    if (profile != nullptr) profile->begin(noted.kernel);
    Result result = launch(next, stream);
    if (result == success && profile != nullptr) profile->end();
    if (result == success && synchronous_) result = driver_.cuStreamSynchronize(stream);
    if (result == success) continue;
    // Without waiting for each, a fault may be that of an earlier launch: the timeline knows which are possible.
    if (is_sticky(result) && !synchronous_) throw Failure(result, text_of(driver_, result));
    Failure failure(driver_, result, describe(noted, kernels_));
    if (is_sticky(result)) throw failure;
    if (!refused) refused = std::make_unique<Failure>(failure);
  }
  if (refused) throw *refused;
}

unsigned Launcher::capture(const uint32_t *words, size_t count, Stream stream) {
  unsigned launches = 0;
  for (const uint32_t *at = words, *end = words + count; at < end; ++launches) {
    const Launch next(at, end, kernels_);
    const Result result = launch(next, stream);
    if (result != success) throw Failure(driver_, result, describe(next.noted(), kernels_));
  }
  return launches;
}

}  // namespace consilium::cuda
