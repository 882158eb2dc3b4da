// cp.async: nothing arrives before the thread waits for the copy's group, and until then nobody may touch where it goes. A
// kernel that waits too little reads old data on a GPU only now and then; here it is always a fault.
#include <cstring>

#include "access.h"

namespace simt {
namespace {

constexpr int ILLEGAL_ADDRESS = 700, LAUNCH_FAILED = 719;

void finish(const std::vector<Copy> &group, Site site) {
  for (const Copy &copy : group) {
    if (copy.valid > 0) touch(Access::READ, reinterpret_cast<uintptr_t>(copy.from), copy.valid, 1, site);
    end_copy(reinterpret_cast<uintptr_t>(copy.to), copy.bytes, site);
    std::memcpy(copy.to, copy.from, copy.valid);
    std::memset(copy.to + copy.valid, 0, copy.bytes - copy.valid);
  }
}

void wait_groups(size_t pending, Site site) {
  auto &groups = block.current->groups;
  if (groups.size() <= pending) return;
  const size_t done = groups.size() - pending;
  for (size_t i = 0; i < done; ++i) finish(groups[i], site);
  groups.erase(groups.begin(), groups.begin() + static_cast<ptrdiff_t>(done));
}

}  // namespace

void copy_async(void *shared, const void *global, unsigned int bytes, unsigned int valid) {
  const Site site = __builtin_return_address(0);
  const auto to = reinterpret_cast<uintptr_t>(shared), from = reinterpret_cast<uintptr_t>(global);
  if (bytes != 4 && bytes != 8 && bytes != 16)
    fault(LAUNCH_FAILED, "asynchronous copy of " + std::to_string(bytes) + " bytes, not 4, 8 or 16");
  if (valid > bytes)
    fault(LAUNCH_FAILED,
          "asynchronous copy of " + std::to_string(bytes) + " bytes, " + std::to_string(valid) + " of them valid");
  if (block.global.holds(to)) fault(ILLEGAL_ADDRESS, "asynchronous copy to global memory");
  begin_copy(to, bytes, site);
  if (valid > 0) {
    if (!block.global.holds(from)) fault(ILLEGAL_ADDRESS, "asynchronous copy from memory that is not global");
    if (from % bytes != 0) touch(Access::READ, from, bytes, bytes, site);
    touch(Access::READ, from, valid, 1, site);
  }
  block.current->open.push_back({static_cast<uint8_t *>(shared), static_cast<const uint8_t *>(global), bytes, valid});
}

void commit_copies() {
  Thread &self = *block.current;
  self.groups.push_back(std::move(self.open));
  self.open.clear();
}

void wait_copies(unsigned int pending) { wait_groups(pending, __builtin_return_address(0)); }

void wait_all_copies() {
  const Site site = __builtin_return_address(0);
  wait_groups(0, site);
  finish(block.current->open, site);
  block.current->open.clear();
}

}  // namespace simt
