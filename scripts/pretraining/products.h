// Matrix products of the pre-training on the processor's matrix unit (AMX): those whose left factor lies transposed in
// memory, as in every gradient of a weight, and the Newton-Schulz iterations of the optimiser. PyTorch's library takes
// three times as long over the first, because it turns the factor round, and over the second, because it sends
// matrices which fit into the cache through memory. kernels.py calls this where `tiles_usable` is true.
#pragma once
#include "tiles.h"

#include <algorithm>
#include <cmath>

#if TILES

constexpr int64_t kChunk = 512;  // rows of both factors packed at a time: they stay in the second-level cache

static int64_t up_to(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

// Rows `from` to `from + 31` of a matrix (rows, stride) at column `column`, 16 columns, in pairs of rows: one tile.
// What lies beyond the matrix is zero.
static inline void pair_rows(
    const half* x, int64_t stride, int64_t rows, int64_t columns, int64_t from, int64_t column, half* tile) {
  const __mmask16 mask = columns - column >= 16 ? 0xffff : (1u << std::max<int64_t>(columns - column, 0)) - 1;
  for (int64_t r = 0; r < 32; r += 2) {
    const half* at = x + (from + r) * stride + column;
    const __m256i none = _mm256_setzero_si256();
    const __m256i even = from + r < rows ? _mm256_maskz_loadu_epi16(mask, at) : none;
    const __m256i odd = from + r + 1 < rows ? _mm256_maskz_loadu_epi16(mask, at + stride) : none;
    _mm512_storeu_si512(tile + r * 16,
                        _mm512_or_si512(_mm512_cvtepu16_epi32(even), _mm512_slli_epi32(_mm512_cvtepu16_epi32(odd), 16)));
  }
}

// Adds (32, depth) times (depth, 32) to four tiles. Left: rows of `depth` numbers; right: a column of tiles for each
// 16 numbers of a row.
static inline void add_products(const half* left, int64_t left_stride, const half* right, int64_t depth) {
  const half* beside = right + depth * 16;
  for (int64_t k = 0; k < depth; k += 32) {
    _tile_loadd(4, left + k, 2 * left_stride);
    _tile_loadd(6, right + k * 16, 64);
    _tile_loadd(5, left + 16 * left_stride + k, 2 * left_stride);
    _tile_loadd(7, beside + k * 16, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
}

static inline void zero_tiles() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

static inline void store_tiles(float* to, int64_t stride) {
  _tile_stored(0, to, 4 * stride);
  _tile_stored(1, to + 16, 4 * stride);
  _tile_stored(2, to + 16 * stride, 4 * stride);
  _tile_stored(3, to + 16 * stride + 16, 4 * stride);
}

static inline void load_tiles(const float* from, int64_t stride) {
  _tile_loadd(0, from, 4 * stride);
  _tile_loadd(1, from + 16, 4 * stride);
  _tile_loadd(2, from + 16 * stride, 4 * stride);
  _tile_loadd(3, from + 16 * stride + 16, 4 * stride);
}

// One product of a transposed factor (rows, m) with a factor (rows, n).
static void multiply_atb(const half* a, const half* b, half* out, int64_t rows, int64_t m, int64_t n, half* left,
                         half* right, float* sums) {
  const int64_t high = up_to(m, 32), wide = up_to(n, 32);
  alignas(64) half tile[512];
  alignas(64) float block[32 * 32];
  for (int64_t first = 0; first < rows; first += kChunk) {
    const int64_t depth = up_to(std::min(kChunk, rows - first), 32);
    for (int64_t k = 0; k < depth; k += 32) {
      for (int64_t j = 0; j < wide; j += 16)
        pair_rows(b, n, rows, n, first + k, j, right + j * depth + k * 16);
      for (int64_t i = 0; i < high; i += 16) {
        pair_rows(a, m, rows, m, first + k, i, tile);
        transpose(tile, 64, left + i * depth + k, 2 * depth);
      }
    }
    const bool last = first + kChunk >= rows;
    for (int64_t j = 0; j < wide; j += 32)
      for (int64_t i = 0; i < high; i += 32) {
        float* at = sums + i * wide + j;
        if (first) load_tiles(at, wide);
        else zero_tiles();
        add_products(left + i * depth, depth, right + j * depth, depth);
        if (!last) {
          store_tiles(at, wide);
          continue;
        }
        store_tiles(block, 32);
        const __mmask32 mask = n - j >= 32 ? ~__mmask32(0) : (__mmask32(1) << (n - j)) - 1;
        for (int64_t r = 0; r < std::min<int64_t>(32, m - i); ++r) {
          const __m512 low = _mm512_loadu_ps(block + r * 32), high_ = _mm512_loadu_ps(block + r * 32 + 16);
          _mm512_mask_storeu_epi16(out + (i + r) * n + j, mask, (__m512i)_mm512_cvtne2ps_pbh(high_, low));
        }
      }
  }
}

// For every pair of matrices (rows, m) and (rows, n): the first transposed times the second.
static Tensor product_atb(const Tensor& a, const Tensor& b) {
  const int64_t batch = a.size(0), rows = a.size(1), m = a.size(2), n = b.size(2);
  TORCH_CHECK(b.size(0) == batch && b.size(1) == rows, "expected as many rows in both factors");
  Tensor out = at::empty({batch, m, n}, a.options());
  const half *as = tile_data(a), *bs = tile_data(b);
  half* ys = tile_data(out);
  at::parallel_for(0, batch, 1, [&](int64_t begin, int64_t end) {
    const Tiles tiles;
    const int64_t high = up_to(m, 32), wide = up_to(n, 32), depth = std::min(kChunk, up_to(rows, 32));
    const int64_t kept = rows > kChunk ? high * wide : 0;
    Buffers buffers(2 * depth * (high + wide) + 4 * kept);
    half *left = buffers.take<half>(depth * high), *right = buffers.take<half>(depth * wide);
    float* sums = buffers.take<float>(kept);
    for (int64_t i = begin; i < end; ++i)
      multiply_atb(as + i * rows * m, bs + i * rows * n, ys + i * m * n, rows, m, n, left, right, sums);
  });
  return out;
}

// out = scale * left * right + share * added, all (rows, columns) but left (rows, depth).
static void product_sum(const half* left, int64_t depth, const half* right, half* out, int64_t rows, int64_t columns,
                        float scale, const half* added, float share) {
  alignas(64) float sums[32 * 32];
  const __m512 factor = _mm512_set1_ps(scale), weight = _mm512_set1_ps(share);
  for (int64_t j = 0; j < columns; j += 32)
    for (int64_t i = 0; i < rows; i += 32) {
      zero_tiles();
      add_products(left + i * depth, depth, right + j * depth, depth);
      store_tiles(sums, 32);
      for (int64_t r = 0; r < 32; ++r) {
        const int64_t at = (i + r) * columns + j;
        __m512 x = _mm512_mul_ps(factor, _mm512_loadu_ps(sums + r * 32));
        __m512 y = _mm512_mul_ps(factor, _mm512_loadu_ps(sums + r * 32 + 16));
        if (added) {
          x = _mm512_fmadd_ps(weight, load_half(added + at), x);
          y = _mm512_fmadd_ps(weight, load_half(added + at + 16), y);
        }
        store_half(out + at, x, y);
      }
    }
}

// In place: iterations of Newton-Schulz with a polynomial a x + (b g + c g g) x, g = x x^T, for every matrix (rows,
// columns), both multiples of 32. What PyTorch rounds to bfloat16 is rounded here.
static void newton_schulz(const Tensor& matrices, double a, double b, double c, int64_t iterations) {
  const int64_t count = matrices.size(0), rows = matrices.size(1), columns = matrices.size(2);
  TORCH_CHECK(rows % 32 == 0 && columns % 32 == 0, "expected sides that are multiples of 32");
  half* xs = tile_data(matrices);
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    const Tiles tiles;
    Buffers buffers(2 * rows * (columns + 3 * rows));
    half *packed = buffers.take<half>(rows * std::max(rows, columns));
    half *gram = buffers.take<half>(rows * rows), *polynomial = buffers.take<half>(rows * rows);
    for (int64_t n = begin; n < end; ++n) {
      half* x = xs + n * rows * columns;
      for (int64_t step = 0; step < iterations; ++step) {
        for (int64_t j = 0; j < rows; j += 16)
          for (int64_t k = 0; k < columns; k += 32)
            transpose(x + j * columns + k, 2 * columns, packed + j * columns + k * 16, 64);
        product_sum(x, columns, packed, gram, rows, rows, 1, nullptr, 0);
        for (int64_t j = 0; j < rows; j += 16)
          for (int64_t k = 0; k < rows; k += 32) pair_rows(gram, rows, rows, rows, k, j, packed + j * rows + k * 16);
        product_sum(gram, rows, packed, polynomial, rows, rows, float(c), gram, float(b));
        for (int64_t j = 0; j < columns; j += 16)
          for (int64_t k = 0; k < rows; k += 32) pair_rows(x, columns, rows, columns, k, j, packed + j * rows + k * 16);
        product_sum(polynomial, rows, packed, x, rows, columns, 1, x, float(a));
      }
    }
  });
}

#else

static Tensor product_atb(const Tensor&, const Tensor&) { TORCH_CHECK(false, "expected a processor with AMX"); }

static void newton_schulz(const Tensor&, double, double, double, int64_t) {
  TORCH_CHECK(false, "expected a processor with AMX");
}

#endif
