// The product that kernels share: a block computes a tile of left [rows,K] times right [K,columns] and hands it to an
// epilogue, a run of adjacent columns of a row at a time.
//
//   using Tile = MediumTile<V>;                                        // gemm-tiles.cuh
//   DYNAMIC_SHARED(shared);
//   Product<Tile, LEFT_ALONG_K, RIGHT_ALONG_K> product(shared, row0, column0);
//   product.multiply(Matrix<...>{...}, Matrix<...>{...}, K);           // adds; may be called again with other operands
//   product.finish(rows, columns, epilogue);
//
// Method    STAGES stages of DEPTH k in shared memory, filled by cp.async, two barriers' distance behind their
//           use; a barrier in the middle of each. What the warps do with a stage is a policy: tensor cores for 16-bit
//           values (gemm-half.cuh) and, if asked for, tf32 (gemm-tf32.cuh), else FMA (gemm-fma.cuh).
// Numerics  f32, one sum per element, its order fixed by the tile
//
// An epilogue is `void operator()(row, column, count, float (&sums)[RUN])`, RUN values of which `count` are within the
// columns, from a multiple of RUN on. PAIRED: `(row, output, count, gate, up)` over PairedMatrix. With ROW_SUMS it returns a
// float; those of 32 columns of a row are added up and given to `row_sum(row, column / 32, sum)`; and what it reads is
// `Ahead ahead(row, column, count)`, which is asked for sixteen rows at a time, before their sums, and is the last argument.
#pragma once
#include "gemm-load.cuh"
#include "reduce.cuh"

template <class V>
constexpr uint32_t RUN = CHUNK<V>;
// Columns whose sums an epilogue gets together, whatever the tile.
constexpr uint32_t ROW_SUM_COLUMNS = 32;

template <class Epilogue, bool ROW_SUMS>
struct AheadOf {
  struct Ahead {};
};
template <class Epilogue>
struct AheadOf<Epilogue, true> {
  using Ahead = typename Epilogue::Ahead;
};

template <class T, class Math>
class ProductOf {
  using V = typename T::Value;
  static_assert(T::STAGES >= 3, "one stage in use, one ready, one on its way");
  static constexpr uint32_t HALF = Math::PIECES / 2, PITCH = T::WARP_COLUMNS + 8;
  static_assert(T::WARPS * 16 * PITCH * 4 <= T::STAGES * T::STAGE_BYTES, "the epilogue's slabs lie in the stages");

  unsigned char *shared;
  uint32_t row0, column0;
  Math math;

 public:
  __device__ ProductOf(unsigned char *shared, uint32_t row0, uint32_t column0)
      : shared(shared), row0(row0), column0(column0) {}

  // sums += left right.
  template <class Left, class Right>
  __device__ void multiply(const Left &left, const Right &right, uint32_t K) {
    static_assert(Left::ALONG_K == Math::LEFT_ALONG_K && Right::ALONG_K == Math::RIGHT_ALONG_K, "one layout");
    const uint32_t stages = (K + T::DEPTH - 1) / T::DEPTH;
    if (stages == 0) return;
    GemmLoader<T, Left, T::ROWS> from_left(left, row0);
    GemmLoader<T, Right, T::COLUMNS> from_right(right, column0);
    constexpr uint32_t LEFT = decltype(from_left)::PASSES, PASSES = LEFT + decltype(from_right)::PASSES;
    const auto copy = [&](uint32_t stage, uint32_t pass) {
      if (pass < LEFT)
        from_left.copy(shared + stage, pass);
      else
        from_right.copy(shared + stage + T::LEFT_BYTES, pass - LEFT);
    };

    // An earlier product has been computed, and what it copied past its end is no longer on its way.
    cp_async_wait<0>();
    __syncthreads();
#pragma unroll
    for (uint32_t s = 0; s < T::STAGES - 1; ++s) {
#pragma unroll
      for (uint32_t pass = 0; pass < PASSES; ++pass) copy(s * T::STAGE_BYTES, pass);
      from_left.advance();
      from_right.advance();
      cp_async_commit();
    }
    cp_async_wait<T::STAGES - 2>();
    __syncthreads();
    math.begin(shared, shared + T::LEFT_BYTES);

    // Past the end of K zeros are copied, and nothing is read: the loop has no branches for it.
    constexpr uint32_t LAST = (T::STAGES - 1) * T::STAGE_BYTES;
    uint32_t now = 0;
#pragma unroll 1
    for (uint32_t left_over = stages; left_over > 0; --left_over) {
      const uint32_t next = now == LAST ? 0 : now + T::STAGE_BYTES, free = now == 0 ? LAST : now - T::STAGE_BYTES;
#pragma unroll Math::UNROLL
      for (uint32_t piece = 0; piece < Math::PIECES; ++piece) {
        if (piece == HALF) {  // the next stage is there, and nobody reads the one before this one any more
          cp_async_wait<T::STAGES - 3>();
          __syncthreads();
        }
#pragma unroll
        for (uint32_t pass = 0; pass < PASSES; ++pass)
          if (HALF + pass * (Math::PIECES - HALF) / PASSES == piece) copy(free, pass);
        math.piece(piece, shared + now, shared + now + T::LEFT_BYTES, shared + next, shared + next + T::LEFT_BYTES);
      }
      from_left.advance();
      from_right.advance();
      cp_async_commit();
      now = next;
    }
  }

  // Rows and columns of the product (outputs where it is PAIRED): the tile may reach past them.
  template <class Epilogue>
  __device__ void finish(uint32_t rows, uint32_t columns, const Epilogue &epilogue) {
    constexpr uint32_t WIDTH = Epilogue::PAIRED ? T::WARP_COLUMNS / 2 : T::WARP_COLUMNS, R = RUN<V>;
    constexpr uint32_t GROUP = WIDTH < ROW_SUM_COLUMNS ? WIDTH : ROW_SUM_COLUMNS;
    constexpr uint32_t PARTS = 2 * WIDTH / GROUP, RUNS = (GROUP + 4 * R - 1) / (4 * R);
    constexpr bool AHEAD = Epilogue::ROW_SUMS;
    static_assert(!Epilogue::ROW_SUMS || GROUP == ROW_SUM_COLUMNS, "sums that do not depend on the tile");
    cp_async_wait<0>();
    __syncthreads();
    float *slab = reinterpret_cast<float *>(shared) + threadIdx.x / WARP * 16 * PITCH;
    const uint32_t first = (column0 + T::warp_column()) / (T::WARP_COLUMNS / WIDTH), lane = threadIdx.x % WARP;
#pragma unroll 1
    for (uint32_t s = 0; s < T::WARP_ROWS / 16; ++s) {
      const auto in_slab = [&](uint32_t part) { return part % 2 * 8 + lane / 4; };
      const auto row_of = [&](uint32_t part) { return row0 + T::warp_row() + 16 * s + in_slab(part); };
      const auto in_group = [&](uint32_t run) { return (4 * run + lane % 4) * R; };
      const auto at = [&](uint32_t part, uint32_t run) { return part / 2 * GROUP + in_group(run); };
      const auto there = [&](uint32_t part, uint32_t run) {
        return in_group(run) < GROUP && row_of(part) < rows && first + at(part, run) < columns;
      };
      const auto count = [&](uint32_t column) { return columns - column < R ? columns - column : R; };

      [[maybe_unused]] typename AheadOf<Epilogue, AHEAD>::Ahead ahead[AHEAD ? PARTS : 1][RUNS];
      if constexpr (AHEAD) {
#pragma unroll
        for (uint32_t part = 0; part < PARTS; ++part) {
#pragma unroll
          for (uint32_t run = 0; run < RUNS; ++run) {
            const uint32_t column = first + at(part, run);
            if (there(part, run)) ahead[part][run] = epilogue.ahead(row_of(part), column, count(column));
          }
        }
      }
      __syncwarp();
      math.put(slab, PITCH, s);
      __syncwarp();
#pragma unroll(AHEAD ? PARTS : 1)
      for (uint32_t part = 0; part < PARTS; ++part) {
        const uint32_t row = row_of(part);
        [[maybe_unused]] float row_sum = 0.0f;
#pragma unroll
        for (uint32_t run = 0; run < RUNS; ++run) {
          if (!there(part, run)) continue;
          const float *from = slab + in_slab(part) * PITCH + at(part, run);
          const uint32_t column = first + at(part, run);
          float sums[R];
          read(from, sums);
          if constexpr (Epilogue::PAIRED) {
            float up[R];
            read(from + WIDTH, up);
            epilogue(row, column, count(column), sums, up);
          } else if constexpr (Epilogue::ROW_SUMS) {
            row_sum += epilogue(row, column, count(column), sums, ahead[part][run]);
          } else {
            epilogue(row, column, count(column), sums);
          }
        }
        if constexpr (Epilogue::ROW_SUMS) {
          const uint32_t group = first + part / 2 * GROUP;
          row_sum = lane_sum<4>(row_sum);
          if (lane % 4 == 0 && row < rows && group < columns) epilogue.row_sum(row, group / ROW_SUM_COLUMNS, row_sum);
        }
      }
    }
  }

 private:
  template <uint32_t N>
  __device__ static void read(const float *from, float (&to)[N]) {
#pragma unroll
    for (uint32_t i = 0; i < N; i += 4) {
      const float4 four = *reinterpret_cast<const float4 *>(from + i);
      to[i] = four.x;
      to[i + 1] = four.y;
      to[i + 2] = four.z;
      to[i + 3] = four.w;
    }
  }
};
