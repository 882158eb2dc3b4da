// What kernels and the host bodies of the primitives (kernels/common/cuda) ask of the simulator. All of it speaks of the
// thread that calls. These functions are not instrumented; those that touch memory check it themselves.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define SIMT_API __attribute__((visibility("default")))

namespace simt {

// Never change while a thread runs: the compiler may keep them.
SIMT_API uint3 thread_index() __attribute__((const));
SIMT_API uint3 block_index() __attribute__((const));
SIMT_API uint3 block_size() __attribute__((const));
SIMT_API uint3 grid_size() __attribute__((const));
SIMT_API unsigned int lane() __attribute__((const));
// As many bytes as the launch asked for, aligned to 1,024.
SIMT_API unsigned char *dynamic_shared() __attribute__((const));

// bar.sync and bar.arrive of barrier `id`, 0 to 15, for `count` threads; 0 means all of the block.
SIMT_API void barrier(unsigned int id, unsigned int count);
SIMT_API void arrive(unsigned int id, unsigned int count);
SIMT_API void sync_warp(unsigned int mask);
[[noreturn]] SIMT_API void trap();

enum class Shuffle { INDEX, UP, DOWN, XOR };
// shfl.sync: of `bytes` bytes, 8 at most, within segments of `width` lanes.
SIMT_API void shuffle(Shuffle kind, unsigned int mask, const void *value, void *result, unsigned int bytes,
                      unsigned int operand, unsigned int width);
// vote.sync.ballot: the lanes of `mask` whose predicate holds.
SIMT_API unsigned int ballot(unsigned int mask, bool predicate);
// match.any.sync: the lanes of `mask` with this value.
SIMT_API unsigned int match(unsigned int mask, uint64_t value);
enum class Reduce { ADD, MIN, MAX, AND, OR, XOR };
// redux.sync, of u32; of s32 where `is_signed`.
SIMT_API uint32_t reduce(Reduce kind, unsigned int mask, uint32_t value, bool is_signed);

enum class Atomic { ADD, EXCHANGE, MIN, MAX, AND, OR, XOR, INCREMENT, DECREMENT, COMPARE };
// Of an integer of 4 or 8 bytes; the value before.
SIMT_API uint64_t atomic(Atomic kind, void *address, unsigned int bytes, bool is_signed, uint64_t value,
                         uint64_t compared);

// cp.async of 4, 8 or 16 bytes: `valid` come from `global`, zeros follow. They arrive when the thread waits for their group.
SIMT_API void copy_async(void *shared, const void *global, unsigned int bytes, unsigned int valid);
SIMT_API void commit_copies();
// cp.async.wait_group: until at most `pending` of the youngest groups are under way.
SIMT_API void wait_copies(unsigned int pending);
// cp.async.wait_all: committed or not.
SIMT_API void wait_all_copies();

// ldmatrix of `count` 8 × 8 matrices of 16-bit elements; `row` is this lane's row address.
SIMT_API void load_matrices(unsigned int count, bool transposed, const void *row, uint32_t *registers);
// stmatrix, likewise.
SIMT_API void store_matrices(unsigned int count, bool transposed, void *row, const uint32_t *registers);

enum class Operands { BF16, F16, TF32 };
// mma.sync.m16n8k16 of 16-bit operands, or m16n8k8 of tf32: d = a b + c in the fragments of the PTX manual.
SIMT_API void multiply(Operands operands, float *d, const uint32_t *a, const uint32_t *b, const float *c);

// Checks a plain access by this thread, as if it stood in the kernel.
SIMT_API void check_read(const void *address, unsigned int bytes);
SIMT_API void check_write(void *address, unsigned int bytes);

// A kernel, as the driver finds it behind the symbol simt_kernel_<name>.
struct Kernel {
  const char *name;
  void (*call)(void *const *arguments);
  const unsigned int *sizes;  // bytes of each parameter, then 0
  unsigned int max_threads;   // its launch bounds; 0: none
};

template <unsigned int... I>
struct Indices {};

template <auto F>
struct Invocation;
template <class... A, void (*F)(A...)>
struct Invocation<F> {
  static constexpr unsigned int sizes[] = {sizeof(A)..., 0};
  template <unsigned int... I>
  __attribute__((no_sanitize("thread"))) static void with(void *const *arguments, Indices<I...>) {
    F(*static_cast<A *>(arguments[I])...);
  }
  __attribute__((no_sanitize("thread"))) static void call(void *const *arguments) {
    with(arguments, Indices<__integer_pack(sizeof...(A))...>{});
  }
};

constexpr unsigned int launch_bounds(unsigned int threads = 0, unsigned int = 0, unsigned int = 0) { return threads; }

// A variable in shared memory; scripts/simt-kernels.mjs lists those of a module in the section simt_variables.
struct Variable {
  unsigned char *address;
  size_t bytes;
};

}  // namespace simt

// What scripts/simt-kernels.mjs writes behind a file: the list of its variables, and each of its kernels.
#define SIMT_MODULE                                                                                     \
  extern "C" __attribute__((weak, visibility("hidden"))) const simt::Variable __start_simt_variables[], \
      __stop_simt_variables[];                                                                          \
  extern "C" SIMT_API const simt::Variable *const simt_module[2];                                       \
  const simt::Variable *const simt_module[2] = {__start_simt_variables, __stop_simt_variables};
#define SIMT_KERNEL(kernel, ...)                                                                                      \
  extern "C" SIMT_API const simt::Kernel simt_kernel_##kernel;                                                        \
  const simt::Kernel simt_kernel_##kernel{#kernel, simt::Invocation<&kernel>::call, simt::Invocation<&kernel>::sizes, \
                                          simt::launch_bounds(__VA_ARGS__)};
