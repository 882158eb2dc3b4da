// Threads of a block: stacks that one thread of the host changes between.
#pragma once
#include <cstddef>
#include <cstdint>

namespace simt {

constexpr size_t STACK = 64 << 10;
constexpr unsigned int MAX_THREADS = 1024;

#if defined(__x86_64__) || defined(__aarch64__)
// Where a fiber stopped: its stack pointer, with the registers that a call must keep below it.
struct Context {
  void *stack_pointer = nullptr;
};
#else
#include <ucontext.h>
struct Context {
  ucontext_t context;
};
#endif

// The stack of fiber `i`; memory beyond either end is unmapped.
struct Stack {
  uintptr_t begin, end;

  bool holds(uintptr_t address) const { return address - begin < end - begin; }
};
const Stack &stack_of(unsigned int i);

// Makes `context` begin with `entry`, which never returns, on stack `i`.
void prepare(Context &context, unsigned int i, void (*entry)());
// Goes on in `to`; returns when something goes on in `from`.
void change(Context &from, Context &to);

}  // namespace simt
