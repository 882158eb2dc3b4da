#include "warp.h"

#include <cstdio>

namespace simt {
namespace {

constexpr int LAUNCH_FAILED = 719;

std::string mask_text(unsigned int mask) {
  char text[16];
  snprintf(text, sizeof text, "0x%08x", mask);
  return text;
}

unsigned int existing(const Thread &thread) {
  const unsigned int left = block.threads - thread.warp * WARP;
  return left >= WARP ? ALL_LANES : (1u << left) - 1;
}

Collective *join(const Thread &self, const char *what, unsigned int mask, uint64_t detail, Site site) {
  for (Collective *c : block.collectives[self.warp]) {
    if (c->arrived == c->mask || !(c->mask >> self.lane & 1)) continue;
    if (c->mask != mask || (c->what != what && std::strcmp(c->what, what) != 0) || c->detail != detail ||
        (c->site != site && place_of(c->site) != place_of(site)))
      fault(LAUNCH_FAILED, std::string("divergent warp: ") + what + " of lanes " + mask_text(mask) +
                               ", while lanes of its warp wait for this one in " + c->what + " of lanes " +
                               mask_text(c->mask) + " at " + place_of(c->site));
    return c;
  }
  Collective *c = block.spare.empty() ? new Collective : block.spare.back();
  if (!block.spare.empty()) block.spare.pop_back();
  c->mask = mask, c->arrived = 0, c->left = mask;
  c->what = what, c->detail = detail, c->site = site;
  block.collectives[self.warp].push_back(c);
  return c;
}

void leave(Collective *c, const Thread &self) {
  c->left &= ~(1u << self.lane);
  if (c->left != 0) return;
  auto &all = block.collectives[self.warp];
  for (Collective *&other : all)
    if (other == c) other = all.back();
  all.pop_back();
  block.spare.push_back(c);
}

}  // namespace

void collect(const char *what, unsigned int mask, uint64_t detail, const void *in, size_t bytes,
             void (*complete)(Collective &), void *result, size_t result_bytes, Site site) {
  Thread &self = *block.current;
  mask &= existing(self);
  if (!(mask >> self.lane & 1))
    fault(LAUNCH_FAILED, std::string(what) + " of lanes " + mask_text(mask) + ", of which the calling lane " +
                             std::to_string(self.lane) + " is none");
  if (const unsigned int gone = mask & block.exited_lanes[self.warp])
    fault(LAUNCH_FAILED, std::string(what) + " of lanes " + mask_text(mask) + ", of which lane " +
                             std::to_string(__builtin_ctz(gone)) + " has exited");
  Collective *c = join(self, what, mask, detail, site);
  std::memcpy(c->in[self.lane], in, bytes);
  c->arrived |= 1u << self.lane;
  if (c->arrived == mask) {
    complete(*c);
    for (unsigned int lane = 0; lane < WARP; ++lane)
      if (mask >> lane & 1 && lane != self.lane) wake(block.all[self.warp * WARP + lane]);
  } else {
    wait(what, site);
  }
  std::memcpy(result, c->out[self.lane], result_bytes);
  leave(c, self);
}

// --- The collectives of CUDA C++ ---

namespace {

struct Shuffled {
  uint64_t value;
  unsigned int operand;
};

unsigned int source(Shuffle kind, unsigned int lane, unsigned int operand, unsigned int width) {
  const unsigned int first = lane / width * width;
  switch (kind) {
    case Shuffle::INDEX: return first + operand % width;
    case Shuffle::UP: return lane - first >= operand ? lane - operand : lane;
    case Shuffle::DOWN: return lane - first + operand < width ? lane + operand : lane;
    // CUDA: lanes of later segments cannot be reached, those of earlier ones can.
    case Shuffle::XOR: return (lane ^ operand) < first + width ? lane ^ operand : lane;
  }
  return lane;
}

void complete_shuffle(Collective &c) {
  const auto kind = static_cast<Shuffle>(c.detail >> 8 & 3);
  const auto width = static_cast<unsigned int>(c.detail & 63);
  for (unsigned int lane = 0; lane < WARP; ++lane) {
    if (!(c.mask >> lane & 1)) continue;
    const auto mine = given<Shuffled>(c, lane);
    const unsigned int from = source(kind, lane, mine.operand, width) % WARP;
    // The value of a lane that takes no part is undefined.
    give(c, lane, c.mask >> from & 1 ? given<Shuffled>(c, from).value : 0xdeadbeefdeadbeefu);
  }
}

void complete_ballot(Collective &c) {
  unsigned int lanes = 0;
  for (unsigned int lane = 0; lane < WARP; ++lane)
    if (c.mask >> lane & 1 && given<bool>(c, lane)) lanes |= 1u << lane;
  for (unsigned int lane = 0; lane < WARP; ++lane) give(c, lane, lanes);
}

void complete_match(Collective &c) {
  for (unsigned int lane = 0; lane < WARP; ++lane) {
    unsigned int lanes = 0;
    for (unsigned int other = 0; other < WARP; ++other)
      if (c.mask >> lane & c.mask >> other & 1 && given<uint64_t>(c, lane) == given<uint64_t>(c, other))
        lanes |= 1u << other;
    give(c, lane, lanes);
  }
}

uint32_t join_two(Reduce kind, bool is_signed, uint32_t a, uint32_t b) {
  const bool less = is_signed ? static_cast<int32_t>(a) < static_cast<int32_t>(b) : a < b;
  switch (kind) {
    case Reduce::ADD: return a + b;
    case Reduce::MIN: return less ? a : b;
    case Reduce::MAX: return less ? b : a;
    case Reduce::AND: return a & b;
    case Reduce::OR: return a | b;
    case Reduce::XOR: return a ^ b;
  }
  return a;
}

void complete_reduce(Collective &c) {
  bool first = true;
  uint32_t result = 0;
  for (unsigned int lane = 0; lane < WARP; ++lane) {
    if (!(c.mask >> lane & 1)) continue;
    const auto value = given<uint32_t>(c, lane);
    result = first ? value : join_two(static_cast<Reduce>(c.detail >> 1), c.detail & 1, result, value);
    first = false;
  }
  for (unsigned int lane = 0; lane < WARP; ++lane) give(c, lane, result);
}

void complete_sync(Collective &c) {
  const Thread &self = *block.current;
  if (c.mask == existing(self)) return meet_warp(self.warp);
  std::vector<Thread *> lanes;
  for (unsigned int lane = 0; lane < WARP; ++lane)
    if (c.mask >> lane & 1) lanes.push_back(&block.all[self.warp * WARP + lane]);
  meet(lanes, {});
}

}  // namespace

void sync_warp(unsigned int mask) {
  collect("__syncwarp", mask, 0, nullptr, 0, complete_sync, nullptr, 0, __builtin_return_address(0));
}

void shuffle(Shuffle kind, unsigned int mask, const void *value, void *result, unsigned int bytes, unsigned int operand,
             unsigned int width) {
  static const char *const NAMES[] = {"__shfl_sync", "__shfl_up_sync", "__shfl_down_sync", "__shfl_xor_sync"};
  if (width == 0 || width > WARP || (width & (width - 1)) != 0)
    fault(LAUNCH_FAILED, "shuffle in segments of " + std::to_string(width) + " lanes, no power of two up to 32");
  Shuffled mine{0, operand};
  std::memcpy(&mine.value, value, bytes);
  collect(NAMES[static_cast<int>(kind)], mask, static_cast<uint64_t>(kind) << 8 | width, &mine, sizeof mine,
          complete_shuffle, result, bytes, __builtin_return_address(0));
}

unsigned int ballot(unsigned int mask, bool predicate) {
  unsigned int lanes;
  collect("a vote", mask, 0, &predicate, sizeof predicate, complete_ballot, &lanes, sizeof lanes,
          __builtin_return_address(0));
  return lanes;
}

unsigned int match(unsigned int mask, uint64_t value) {
  unsigned int lanes;
  collect("__match_any_sync", mask, 0, &value, sizeof value, complete_match, &lanes, sizeof lanes,
          __builtin_return_address(0));
  return lanes;
}

uint32_t reduce(Reduce kind, unsigned int mask, uint32_t value, bool is_signed) {
  uint32_t result;
  collect("a reduction", mask, static_cast<uint64_t>(kind) << 1 | is_signed, &value, sizeof value, complete_reduce,
          &result, sizeof result, __builtin_return_address(0));
  return result;
}

}  // namespace simt
