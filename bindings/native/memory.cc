#include "bindings/native/memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <utility>

namespace consilium {
namespace {

constexpr size_t huge_page = size_t{2} << 20;

size_t round_up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

// Large blocks are mapped one by one, so that freeing one gives its pages back at once: malloc keeps freed blocks of up
// to 32 MiB for itself.
void *map_pages(size_t bytes) {
  const size_t reserved = bytes + huge_page;
  void *start = mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  const auto from = reinterpret_cast<uintptr_t>(start), aligned = round_up(from, huge_page);
  if (aligned > from) munmap(start, aligned - from);
  const size_t after = from + reserved - (aligned + bytes);
  if (after > 0) munmap(reinterpret_cast<void *>(aligned + bytes), after);
  void *pages = reinterpret_cast<void *>(aligned);
#ifdef MADV_HUGEPAGE
  madvise(pages, bytes, MADV_HUGEPAGE);  // advice: a refusal costs speed, nothing else
#endif
  return pages;
}

}  // namespace

Block::Block(size_t bytes) {
  constexpr size_t largest = size_t{1} << 52;  // JavaScript counts to 2^53
  if (bytes > largest) return;
  bytes_ = round_up(bytes == 0 ? 1 : bytes, bytes >= huge_page ? 65536 : 64);
  address_ = bytes_ >= huge_page ? map_pages(bytes_) : std::aligned_alloc(64, bytes_);
  if (address_ == nullptr) bytes_ = 0;
}

Block::Block(Block &&other) noexcept
    : address_(std::exchange(other.address_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Block &Block::operator=(Block &&other) noexcept {
  std::swap(address_, other.address_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Block::~Block() {
  if (address_ == nullptr) return;
  if (bytes_ >= huge_page)
    munmap(address_, bytes_);
  else
    std::free(address_);
}

uintptr_t Memory::allocate(size_t bytes) {
  Block block(bytes);
  const uintptr_t address = block.address();
  if (block) blocks_.emplace(address, std::move(block));
  return address;
}

Block Memory::take(uintptr_t address) {
  const auto found = blocks_.find(address);
  if (found == blocks_.end()) return {};
  Block block = std::move(found->second);
  blocks_.erase(found);
  return block;
}

bool Memory::contains(uintptr_t address, size_t bytes) const {
  auto after = blocks_.upper_bound(address);
  if (after == blocks_.begin()) return false;
  const Block &block = std::prev(after)->second;
  const size_t offset = address - block.address();
  return offset <= block.bytes() && bytes <= block.bytes() - offset;
}

}  // namespace consilium
