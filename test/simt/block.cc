// Threads run one at a time, each until it waits for others; who goes on then is drawn from the seed, so that work which
// relies on an order no barrier asks for comes out differently with another seed.
#include "block.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>

namespace simt {

Block block;

namespace {

constexpr int LAUNCH_FAILED = 719;

uint64_t draw() {  // splitmix64
  uint64_t z = block.random += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

uint64_t below(uint64_t limit) { return static_cast<uint64_t>(static_cast<unsigned __int128>(draw()) * limit >> 64); }

Thread *next() {
  std::vector<Thread *> &runnable = block.runnable;
  const size_t i = below(runnable.size());
  Thread *thread = runnable[i];
  runnable[i] = runnable.back();
  runnable.pop_back();
  return thread;
}

// Goes on with some thread; `self` is where the running one stops. A thread that yields may be the one that is drawn: its
// context is the one before it ran, which nobody may change to.
void go_on(Context &self) {
  block.current = next();
  if (&block.current->context != &self) change(self, block.current->context);
}

[[noreturn]] void deadlock() { fault(LAUNCH_FAILED, "deadlock: " + waiting()); }

void check_exit(const Thread &thread) {
  for (const Collective *c : block.collectives[thread.warp])
    if (c->arrived != c->mask && c->mask >> thread.lane & 1)
      fault(LAUNCH_FAILED,
            std::string("a thread exits while lanes of its warp wait for it in ") + c->what + ": " + waiting());
  const Barrier &all = block.barriers[0];
  if (all.count == block.threads && !all.waiting.empty())
    fault(LAUNCH_FAILED, "a thread exits while others wait for it: " + waiting());
}

void thread_main() {
  block.launch.kernel->call(block.launch.arguments);
  Thread &thread = *block.current;
  check_exit(thread);
  thread.exited = true;
  block.exited_lanes[thread.warp] |= 1u << thread.lane;
  ++block.exited;
  if (!block.runnable.empty()) go_on(thread.context);
  if (block.exited != block.threads) deadlock();
  change(thread.context, block.host);
  std::abort();  // nobody goes on in an exited thread
}

void prepare_block(uint3 index) {
  block.index = index;
  block.exited = 0;
  block.atomics = false;
  block.runnable.clear();
  for (unsigned int warp = 0; warp < MAX_THREADS / WARP; ++warp) {
    for (Collective *c : block.collectives[warp]) block.spare.push_back(c);
    block.collectives[warp].clear();
    block.exited_lanes[warp] = 0;
  }
  for (Barrier &barrier : block.barriers) barrier = {};
  const uint3 size = block.launch.block;
  for (unsigned int t = 0; t < block.threads; ++t) {
    Thread &thread = block.all[t];
    thread.index = {t % size.x, t / size.x % size.y, t / size.x / size.y};
    thread.number = t, thread.lane = t % WARP, thread.warp = t / WARP;
    thread.stack = stack_of(t);
    thread.exited = false;
    thread.waits_for = nullptr;
    thread.open.clear();
    thread.groups.clear();
    prepare(thread.context, t, thread_main);
    block.runnable.push_back(&thread);
  }
  meet();
  block.block_segment = block.met;
  // What shared memory holds is gone.
  std::memset(block.dynamic.state, LIVE, block.dynamic.size);
  for (const Variable *v = block.launch.variables; v != block.launch.variables_end; ++v)
    std::memset(block.statics.state + (reinterpret_cast<uintptr_t>(v->address) - block.statics.begin), LIVE, v->bytes);
}

// Shadows of shared memory grow with the largest yet.
void shadow(Region &region, uintptr_t begin, size_t size, std::vector<uint8_t> &state, std::vector<Touches> &touches) {
  if (state.size() < size + 64) state.resize(size + 64);
  if (touches.size() < size / 2 + 64) touches.resize(size / 2 + 64);
  region = {begin, size, state.data(), touches.data()};
}

alignas(1024) unsigned char dynamic_memory[256 << 10];

}  // namespace

Outcome run(const Launch &launch, const Region &global) {
  static std::vector<uint8_t> static_state, dynamic_state;
  static std::vector<Touches> static_touches, dynamic_touches;
  block.launch = launch;
  block.threads = launch.block.x * launch.block.y * launch.block.z;
  block.global = global;
  uintptr_t begin = UINTPTR_MAX, end = 0;
  for (const Variable *v = launch.variables; v != launch.variables_end; ++v) {
    const auto address = reinterpret_cast<uintptr_t>(v->address);
    begin = std::min(begin, address & ~uintptr_t{15});
    end = std::max(end, address + v->bytes);
  }
  shadow(block.statics, begin, begin < end ? end - begin : 0, static_state, static_touches);
  std::memset(block.statics.state, 0, block.statics.size);
  shadow(block.dynamic, reinterpret_cast<uintptr_t>(dynamic_memory), launch.dynamic_bytes, dynamic_state,
         dynamic_touches);
  block.outcome = {};
  block.launch_segment = ++block.segment;
  block.random = launch.seed;

  const uint64_t blocks = uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  std::vector<uint32_t> order(blocks);
  std::iota(order.begin(), order.end(), 0u);
  for (uint64_t i = blocks; i > 1; --i) std::swap(order[i - 1], order[below(i)]);
  for (const uint32_t number : order) {
    prepare_block(
        {number % launch.grid.x, number / launch.grid.x % launch.grid.y, number / launch.grid.x / launch.grid.y});
    go_on(block.host);
    if (block.outcome.code != 0) break;
  }
  block.current = nullptr;
  return block.outcome;
}

void fault(int code, const std::string &what) {
  char place[160];
  const Thread &thread = *block.current;
  snprintf(place, sizeof place, ", block (%u,%u,%u), thread %s, at ", block.index.x, block.index.y, block.index.z,
           name_of(thread).c_str());
  block.outcome = {code, block.launch.kernel->name + (": " + what) + place + current_place()};
  change(block.current->context, block.host);
  std::abort();
}

void wait(const char *what, Site site) {
  Thread &self = *block.current;
  self.waits_for = what;  // null: it is runnable already
  self.site = site;
  if (block.runnable.empty()) deadlock();
  go_on(self.context);
}

void wake(Thread &thread) {
  thread.waits_for = nullptr;
  block.runnable.push_back(&thread);
}

uint3 thread_index() { return block.current->index; }
uint3 block_index() { return block.index; }
uint3 block_size() { return block.launch.block; }
uint3 grid_size() { return block.launch.grid; }
unsigned int lane() { return block.current->lane; }
unsigned char *dynamic_shared() { return dynamic_memory; }
void trap() { fault(LAUNCH_FAILED, "__trap()"); }

}  // namespace simt
