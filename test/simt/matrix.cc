// ldmatrix, stmatrix and mma.sync, by the fragment layouts of the PTX manual (Warp-level matrix instructions).
#include "access.h"
#include "warp.h"

namespace simt {
namespace {

constexpr int ILLEGAL_ADDRESS = 700, LAUNCH_FAILED = 719;

// One row of an 8 × 8 matrix of 16-bit elements.
struct Row {
  uint16_t elements[8];
};
struct Registers {
  uint32_t values[4];
};

bool has_row(unsigned int count, unsigned int lane) { return lane < 8 * count; }

void check_row(const char *what, unsigned int count, const void *row) {
  if (count != 1 && count != 2 && count != 4)
    fault(LAUNCH_FAILED, std::string(what) + " of " + std::to_string(count) + " matrices, not 1, 2 or 4");
  const auto address = reinterpret_cast<uintptr_t>(row);
  if (has_row(count, lane()) && block.global.holds(address))
    fault(ILLEGAL_ADDRESS, std::string(what) + " of global memory: its rows lie in shared memory");
}

// Of register `i` of `lane`, its low half (0) or high half (1): lane and element of the row that it is in.
struct Place {
  unsigned int lane, element;
};
Place place(bool transposed, unsigned int i, unsigned int lane, unsigned int half) {
  const unsigned int row = lane / 4, column = lane % 4 * 2 + half;
  return transposed ? Place{8 * i + column, row} : Place{8 * i + row, column};
}

void complete_load(Collective &c) {
  const auto count = static_cast<unsigned int>(c.detail >> 1);
  for (unsigned int lane = 0; lane < WARP; ++lane) {
    Registers result{};
    for (unsigned int i = 0; i < count; ++i)
      for (unsigned int half = 0; half < 2; ++half) {
        const Place from = place(c.detail & 1, i, lane, half);
        result.values[i] |= uint32_t{given<Row>(c, from.lane).elements[from.element]} << 16 * half;
      }
    give(c, lane, result);
  }
}

void complete_store(Collective &c) {
  const auto count = static_cast<unsigned int>(c.detail >> 1);
  Row rows[WARP] = {};
  for (unsigned int lane = 0; lane < WARP; ++lane)
    for (unsigned int i = 0; i < count; ++i)
      for (unsigned int half = 0; half < 2; ++half) {
        const Place to = place(c.detail & 1, i, lane, half);
        rows[to.lane].elements[to.element] = static_cast<uint16_t>(given<Registers>(c, lane).values[i] >> 16 * half);
      }
  for (unsigned int lane = 0; lane < WARP; ++lane) give(c, lane, rows[lane]);
}

struct Fragments {
  uint32_t a[4], b[2];
  float c[4];
};
struct Sums {
  float d[4];
};

template <class To, class From>
To bits_of(From from) {
  To to;
  static_assert(sizeof to == sizeof from);
  std::memcpy(&to, &from, sizeof to);
  return to;
}

// Element `half` of a register of 16-bit operands.
float half_of(Operands operands, uint32_t value, unsigned int half) {
  const auto bits = static_cast<uint16_t>(value >> 16 * half);
  return operands == Operands::BF16 ? bits_of<float>(uint32_t{bits} << 16)
                                    : static_cast<float>(bits_of<_Float16>(bits));
}

// Where sum `i` of a lane stands in the result.
unsigned int row_of(unsigned int lane, unsigned int i) { return lane / 4 + i / 2 * 8; }
unsigned int column_of(unsigned int lane, unsigned int i) { return lane % 4 * 2 + i % 2; }

void complete_multiply(Collective &c) {
  const auto operands = static_cast<Operands>(c.detail);
  const bool wide = operands == Operands::TF32;
  const unsigned int depth = wide ? 8 : 16;
  double a[16][16], b[16][8], d[16][8];
  for (unsigned int lane = 0; lane < WARP; ++lane) {
    const auto f = given<Fragments>(c, lane);
    const unsigned int group = lane / 4, member = lane % 4;
    for (unsigned int i = 0; i < 4; ++i) {
      const unsigned int row = group + i % 2 * 8;
      // The tensor cores take the high 19 bits of an f32.
      if (wide)
        a[row][member + i / 2 * 4] = bits_of<float>(f.a[i] & 0xffffe000u);
      else
        for (unsigned int half = 0; half < 2; ++half)
          a[row][member * 2 + i / 2 * 8 + half] = half_of(operands, f.a[i], half);
    }
    for (unsigned int i = 0; i < 2; ++i) {
      if (wide)
        b[member + i * 4][group] = bits_of<float>(f.b[i] & 0xffffe000u);
      else
        for (unsigned int half = 0; half < 2; ++half)
          b[member * 2 + i * 8 + half][group] = half_of(operands, f.b[i], half);
    }
    for (unsigned int i = 0; i < 4; ++i) d[row_of(lane, i)][column_of(lane, i)] = f.c[i];
  }
  // Products are exact, and rounded once; how the hardware rounds on the way is not specified.
  for (unsigned int row = 0; row < 16; ++row)
    for (unsigned int k = 0; k < depth; ++k)
      for (unsigned int column = 0; column < 8; ++column) d[row][column] += a[row][k] * b[k][column];
  for (unsigned int lane = 0; lane < WARP; ++lane) {
    Sums sums;
    for (unsigned int i = 0; i < 4; ++i) sums.d[i] = static_cast<float>(d[row_of(lane, i)][column_of(lane, i)]);
    give(c, lane, sums);
  }
}

}  // namespace

void load_matrices(unsigned int count, bool transposed, const void *row, uint32_t *registers) {
  const Site site = __builtin_return_address(0);
  check_row("ldmatrix", count, row);
  Row mine{};
  if (has_row(count, lane())) {
    touch(Access::READ, reinterpret_cast<uintptr_t>(row), sizeof mine, sizeof mine, site);
    std::memcpy(&mine, row, sizeof mine);
  }
  collect("ldmatrix", ALL_LANES, count << 1 | transposed, &mine, sizeof mine, complete_load, registers, 4 * count,
          site);
}

void store_matrices(unsigned int count, bool transposed, void *row, const uint32_t *registers) {
  const Site site = __builtin_return_address(0);
  check_row("stmatrix", count, row);
  Registers mine{};
  std::memcpy(&mine, registers, 4 * count);
  Row result;
  collect("stmatrix", ALL_LANES, count << 1 | transposed, &mine, sizeof mine, complete_store, &result, sizeof result,
          site);
  if (!has_row(count, lane())) return;
  touch(Access::WRITE, reinterpret_cast<uintptr_t>(row), sizeof result, sizeof result, site);
  std::memcpy(row, &result, sizeof result);
}

void multiply(Operands operands, float *d, const uint32_t *a, const uint32_t *b, const float *c) {
  Fragments mine;
  std::memcpy(mine.a, a, sizeof mine.a);
  std::memcpy(mine.b, b, sizeof mine.b);
  std::memcpy(mine.c, c, sizeof mine.c);
  collect("mma", ALL_LANES, static_cast<uint64_t>(operands), &mine, sizeof mine, complete_multiply, d,
          4 * sizeof(float), __builtin_return_address(0));
}

}  // namespace simt
