#include "bindings/native/memory.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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

size_t page_size() {
  static const auto bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

// Whether the file has these bytes. Pages of a mapping beyond the end of its file are a SIGBUS.
bool is_there(const FileRange &range) {
  struct stat file;
  if (fstat(range.file, &file) != 0 || !S_ISREG(file.st_mode)) return false;
  const auto size = static_cast<size_t>(file.st_size);
  return range.offset <= size && range.bytes <= size - range.offset;
}

// Ranges that follow each other in one file become one.
std::vector<FileRange> joined(const std::vector<FileRange> &ranges) {
  std::vector<FileRange> runs;
  for (const FileRange &range : ranges) {
    if (range.bytes == 0) continue;
    if (!runs.empty() && runs.back().file == range.file && runs.back().offset + runs.back().bytes == range.offset)
      runs.back().bytes += range.bytes;
    else
      runs.push_back(range);
  }
  return runs;
}

// Whether each run can follow the one before it. A run begins within its page as it does in the file, so what stands
// before it must end there; and only one of them may end in a page, whose bytes are copied.
bool fit(const std::vector<FileRange> &runs, size_t page) {
  if (runs.empty() || runs[0].offset % 8 != 0) return false;
  size_t position = runs[0].offset % page;
  for (const FileRange &run : runs) {
    if (run.offset % page != position % page || !is_there(run)) return false;
    if (runs.size() > 1 && run.bytes < page) return false;
    position += run.bytes;
  }
  return true;
}

bool read_all(const FileRange &range, uint8_t *to) {
  for (size_t done = 0; done < range.bytes;) {
    const ssize_t n = pread(range.file, to + done, range.bytes - done, static_cast<off_t>(range.offset + done));
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

// Puts the pages of one run where `base` was reserved; its first byte comes to `position`. The page that it shares with
// the run before gets that one's end, and is no longer the file's.
bool map_run(uint8_t *base, size_t position, const FileRange &run, const FileRange *before, size_t page) {
  const size_t within = position % page, length = round_up(within + run.bytes, page);
  uint8_t *start = base + position - within;
  void *mapped = mmap(start, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, run.file,
                      static_cast<off_t>(run.offset - within));
  if (mapped == MAP_FAILED) return false;
  if (before == nullptr || within == 0) return true;
  return read_all({before->file, before->offset + before->bytes - within, within}, start);
}

}  // namespace

Block::Block(size_t bytes) {
  constexpr size_t largest = size_t{1} << 52;  // JavaScript counts to 2^53
  if (bytes > largest) return;
  bytes_ = round_up(bytes == 0 ? 1 : bytes, bytes >= huge_page ? 65536 : 64);
  if (bytes_ >= huge_page) {
    address_ = pages_ = map_pages(bytes_);
    page_bytes_ = pages_ == nullptr ? 0 : bytes_;
  } else {
    address_ = std::aligned_alloc(64, bytes_);
  }
  if (address_ == nullptr) bytes_ = 0;
}

Block Block::map(const std::vector<FileRange> &ranges) {
  const size_t page = page_size();
  const std::vector<FileRange> runs = joined(ranges);
  if (!fit(runs, page)) return {};
  const size_t first = runs[0].offset % page;
  size_t end = first;
  for (const FileRange &run : runs) end += run.bytes;
  // A page more than the files fill: kernels may read whole vectors.
  const size_t reserved = round_up(end, page) + page;
  void *base = mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return {};
  Block block;
  block.pages_ = base;
  block.page_bytes_ = reserved;
  block.address_ = static_cast<uint8_t *>(base) + first;
  block.bytes_ = end - first;
  size_t position = first;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (!map_run(static_cast<uint8_t *>(base), position, runs[i], i > 0 ? &runs[i - 1] : nullptr, page)) return {};
    position += runs[i].bytes;
  }
  return block;
}

Block::Block(Block &&other) noexcept
    : address_(std::exchange(other.address_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      pages_(std::exchange(other.pages_, nullptr)),
      page_bytes_(std::exchange(other.page_bytes_, 0)) {}

Block &Block::operator=(Block &&other) noexcept {
  std::swap(address_, other.address_);
  std::swap(bytes_, other.bytes_);
  std::swap(pages_, other.pages_);
  std::swap(page_bytes_, other.page_bytes_);
  return *this;
}

Block::~Block() {
  if (pages_ != nullptr)
    munmap(pages_, page_bytes_);
  else
    std::free(address_);
}

uintptr_t Memory::allocate(size_t bytes) { return keep(Block(bytes)); }

uintptr_t Memory::map(const std::vector<FileRange> &ranges) { return keep(Block::map(ranges)); }

uintptr_t Memory::keep(Block block) {
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
