// copy/pad (cpu)
// Math      y[o, before + l, c] = x[o, l, c]; 0 elsewhere
// Shapes    x [O,L,I] · y [O, before + L + after, I]
// Launch    one cell per element of y; each row is a run of zeros, a copy and a run of zeros
#include <algorithm>
#include <cstring>

#include "kernels/copy/words.h"

namespace consilium {
namespace {

struct Params {
  uint32_t O, L, I, before, after;
};

template <class Word>
void copy_pad(KERNEL_ARGS) {
  (void)scratch;
  const auto &p = *static_cast<const Params *>(params);
  const auto *x = static_cast<const Word *>(buffers[0]);  // [O,L,I]
  auto *y = static_cast<Word *>(buffers[1]);              // [O, before + L + after, I]
  const size_t I = p.I, copied = p.L * I, first = p.before * I, last = first + copied, period = last + p.after * I;
  for (size_t at = begin; at < end;) {
    const size_t row = at / period, r = at % period;
    const size_t segment_end = r < first ? first : r < last ? last : period;
    const size_t count = std::min<size_t>(segment_end - r, end - at);
    if (r >= first && r < last)
      std::memcpy(y + at, x + row * copied + (r - first), count * sizeof(Word));
    else
      std::memset(y + at, 0, count * sizeof(Word));
    at += count;
  }
}

}  // namespace
COPY_REGISTER(copy_pad)
}  // namespace consilium
