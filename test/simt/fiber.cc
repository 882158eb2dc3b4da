#include "fiber.h"

#include <sys/mman.h>
#include <cstdio>
#include <cstdlib>

namespace simt {
namespace {

struct Stacks {
  Stack stacks[MAX_THREADS];

  Stacks() {
    constexpr size_t GUARD = 4096 * 16;  // a page of any size in use
    const size_t pitch = STACK + GUARD;
    void *memory =
        mmap(nullptr, pitch * MAX_THREADS + GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) std::perror("cuda-sim: no memory for stacks"), std::abort();
    for (unsigned int i = 0; i < MAX_THREADS; ++i) {
      char *begin = static_cast<char *>(memory) + GUARD + pitch * i;
      mprotect(begin, STACK, PROT_READ | PROT_WRITE);
      // Ends differ, so that the stacks do not share their lines of the cache.
      stacks[i] = {reinterpret_cast<uintptr_t>(begin), reinterpret_cast<uintptr_t>(begin) + STACK - i % 61 * 64};
    }
  }
};

}  // namespace

const Stack &stack_of(unsigned int i) {
  static const Stacks all;
  return all.stacks[i];
}

#if defined(__x86_64__)

extern "C" void simt_change(void **from, void *to);
asm(R"(
.text
.globl simt_change
.hidden simt_change
.type simt_change, @function
simt_change:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size simt_change, .-simt_change
)");

void prepare(Context &context, unsigned int i, void (*entry)()) {
  auto *top = reinterpret_cast<uint64_t *>(stack_of(i).end & ~uintptr_t{63});
  *--top = 0;                                  // where entry would return to: the end of a backtrace
  *--top = reinterpret_cast<uint64_t>(entry);  // where simt_change returns to
  for (int saved = 0; saved < 6; ++saved) *--top = 0;
  context.stack_pointer = top;
}

void change(Context &from, Context &to) { simt_change(&from.stack_pointer, to.stack_pointer); }

#elif defined(__aarch64__)

extern "C" void simt_change(void **from, void *to);
asm(R"(
.text
.globl simt_change
.hidden simt_change
.type simt_change, %function
simt_change:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x2, sp
  str x2, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size simt_change, .-simt_change
)");

void prepare(Context &context, unsigned int i, void (*entry)()) {
  auto *top = reinterpret_cast<uint64_t *>(stack_of(i).end & ~uintptr_t{63}) - 20;
  for (int saved = 0; saved < 20; ++saved) top[saved] = 0;
  top[11] = reinterpret_cast<uint64_t>(entry);  // x30
  context.stack_pointer = top;
}

void change(Context &from, Context &to) { simt_change(&from.stack_pointer, to.stack_pointer); }

#else

void prepare(Context &context, unsigned int i, void (*entry)()) {
  getcontext(&context.context);
  context.context.uc_stack.ss_sp = reinterpret_cast<void *>(stack_of(i).begin);
  context.context.uc_stack.ss_size = stack_of(i).end - stack_of(i).begin;
  context.context.uc_link = nullptr;
  makecontext(&context.context, entry, 0);
}

void change(Context &from, Context &to) { swapcontext(&from.context, &to.context); }

#endif

}  // namespace simt
