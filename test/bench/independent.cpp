// The rates of this machine by other means than the package's, on one thread: a copy as STREAM does it (John McCalpin's
// benchmark; by a plain loop, memcpy and streaming stores), in large pages as the engine's memory has them, and multiply-adds
// in vectors of the compiler. For each line of input a piece of work is done; the answer is its operations, or bytes read and
// written, and the seconds of the processor and of the clock:
//
//   c++ -O3 -march=native -o independent independent.cpp; echo multiply-add | ./independent 67108864
#include <ctime>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
typedef float Vector __attribute__((vector_size(kBytes)));
constexpr int kLanes = kBytes / sizeof(float);

static double seconds(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Ten chains: two units of four or five cycles each.
static double multiply_add(volatile float *sink) {
  constexpr long steps = 4000000;
  Vector factor, term, a, b, c, d, e, f, g, h, i, j;
  for (int k = 0; k < kLanes; ++k) {
    factor[k] = *sink;
    term[k] = 1.9f;
    a[k] = static_cast<float>(k);
  }
  b = a + 1, c = a + 2, d = a + 3, e = a + 4, f = a + 5, g = a + 6, h = a + 7, i = a + 8, j = a + 9;
  for (long step = 0; step < steps; ++step) {
    a = a * factor + term;
    b = b * factor + term;
    c = c * factor + term;
    d = d * factor + term;
    e = e * factor + term;
    f = f * factor + term;
    g = g * factor + term;
    h = h * factor + term;
    i = i * factor + term;
    j = j * factor + term;
  }
  a = a + b + c + d + e + f + g + h + i + j;
  // At rest all of them are the same number.
  float sum = 0;
  for (int k = 0; k < kLanes; ++k) sum += a[k];
  const float rest = 10 * kLanes * 1.9f / (1 - *sink);
  if (!(sum > 0.999f * rest && sum < 1.001f * rest)) std::exit(1);
  return 2.0 * steps * 10 * kLanes;
}

__attribute__((noinline, optimize("no-tree-loop-distribute-patterns"))) static void loop(const double *x, double *y,
                                                                                         long n) {
  for (long i = 0; i < n; ++i) y[i] = x[i];
}

// As compilers for STREAM store: past the caches, where the processor can.
static void stream(const double *x, double *y, long n) {
#if defined(__x86_64__)
  for (long i = 0; i + 8 <= n; i += 8) {
    _mm_prefetch(reinterpret_cast<const char *>(x + i + 256), _MM_HINT_NTA);
    for (long j = i; j < i + 8; j += 2) _mm_stream_pd(y + j, _mm_loadu_pd(x + j));
  }
  _mm_sfence();
#else
  std::memcpy(y, x, n * sizeof(double));
#endif
}

static double *memory(long n) {
  constexpr size_t page = size_t{2} << 20;
  const size_t bytes = (n * sizeof(double) + page - 1) / page * page;
  auto *pages = static_cast<double *>(std::aligned_alloc(page, bytes));
  if (pages == nullptr) std::exit(3);
#if defined(__linux__)
  madvise(pages, bytes, MADV_HUGEPAGE);
#endif
  return pages;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  const long n = std::atol(argv[1]) / 2;
  double *x = memory(n), *y = memory(n);
  for (long i = 0; i < n; ++i) x[i] = static_cast<double>(i), y[i] = 0;
  volatile float factor = -0.999f;
  char line[64];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    const double clock = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
    double work = 0;
    if (std::strncmp(line, "multiply-add", 12) == 0) {
      work = multiply_add(&factor);
    } else if (std::strncmp(line, "copy", 4) == 0) {
      std::memcpy(y, x, n * sizeof(double));
      work = 16.0 * static_cast<double>(n);
    } else if (std::strncmp(line, "loop", 4) == 0) {
      loop(x, y, n);
      work = 16.0 * static_cast<double>(n);
    } else if (std::strncmp(line, "stream", 6) == 0) {
      stream(x, y, n);
      work = 16.0 * static_cast<double>(n);
    } else {
      return 2;
    }
    std::printf("%.17g %.17g %.17g\n", work, seconds(CLOCK_THREAD_CPUTIME_ID) - cpu, seconds(CLOCK_MONOTONIC) - clock);
    std::fflush(stdout);
    if (y[n - 1] != 0 && y[n - 1] != x[n - 1]) return 1;
  }
  return 0;
}
