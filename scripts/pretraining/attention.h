// Attention on a grid of tokens with relative positions, forward and backward, on the processor's matrix unit (AMX).
//
// A head of the small SAM has 32 channels: one row of a matrix tile, one line of the cache. Products of such
// narrow matrices keep PyTorch busy with copies into heads and windows and with packing. Here a window of one head is
// copied into the cache once, from the projected tokens as they lie, and everything is done there. Logits and relative
// positions stay in single precision until the softmax. kernels.py calls this where `tiles_usable` is true.
#pragma once
#include "tiles.h"

#include <algorithm>
#include <mutex>
#include <utility>

#if TILES

constexpr int64_t kDim = 32;  // channels of a head

// A matrix (count, 32) as right factor, transposed: one tile for 16 rows.
static void pack_transposed(const half* x, int64_t count, half* tiles) {
  for (int64_t i = 0; i < count; i += 16) transpose(x + i * kDim, 2 * kDim, tiles + i * kDim, 64);
}

// A matrix (count, 32) as right factor, as it is: two tiles for 32 rows, one for each half of the channels.
static void pack_plain(const half* x, int64_t count, half* tiles) {
  for (int64_t i = 0; i < count; i += 2) {
    half* to = tiles + i / 32 * 1024 + i % 32 / 2 * 32;
    pair(_mm512_loadu_si512(x + i * kDim), _mm512_loadu_si512(x + (i + 1) * kDim), to, to + 512);
  }
}

// A matrix (count, 32) as left factor, transposed: 32 rows of `count` numbers.
static void pack_columns(const half* x, int64_t count, half* to) {
  alignas(64) half pairs[1024];
  for (int64_t i = 0; i < count; i += 32) {
    pack_plain(x + i * kDim, 32, pairs);
    for (int64_t side = 0; side < 2; ++side) transpose(pairs + 512 * side, 64, to + 16 * side * count + i, 2 * count);
  }
}

// 16 rows of a left factor of 32 columns times `count` columns of a right factor, in single precision.
static void multiply(const half* left, const half* tiles, int64_t count, float* out) {
  _tile_loadd(4, left, 2 * kDim);
  for (int64_t j = 0; j < count; j += 32) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_loadd(6, tiles + j * kDim, 64);
    _tile_loadd(7, tiles + j * kDim + 512, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_stored(0, out + j, 4 * count);
    _tile_stored(1, out + j + 16, 4 * count);
  }
}

// Adds 16 rows of a left factor of `count` columns times a right factor of 32 columns to tiles 0 and 1.
static inline void gather(const half* left, int64_t stride, const half* tiles, int64_t count) {
  for (int64_t k = 0; k < count; k += 32) {
    _tile_loadd(4, left + k, 2 * stride);
    _tile_loadd(6, tiles + k * kDim, 64);
    _tile_loadd(7, tiles + k * kDim + 512, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
  }
}

// Where windows of one head lie in a grid of tokens.
struct Grid {
  int64_t height, width, rows, columns, heads;

  int64_t tokens() const { return rows * columns; }
  int64_t distances() const { return 2 * rows + 2 * columns - 2; }
  int64_t padded() const { return (distances() + 31) / 32 * 32; }
  int64_t units(int64_t images) const { return images * (height / rows) * (width / columns) * heads; }
  // Number of the first token of a unit; the others follow in rows.
  int64_t first(int64_t unit) const {
    const int64_t window = unit / heads, across = width / columns, down = height / rows;
    const int64_t x = window % across, y = window / across % down, image = window / across / down;
    return (image * height + y * rows) * width + x * columns;
  }
  template <class F>
  void each(int64_t unit, F f) const {  // f(token of the window, token of the grid)
    const int64_t begin = first(unit);
    for (int64_t y = 0, t = 0; y < rows; ++y)
      for (int64_t x = 0; x < columns; ++x, ++t) f(t, begin + y * width + x);
  }
};

// What all units share: the table as right factor. Its rows are turned round, so that the distance of a key from a
// query grows with the key.
static std::vector<half> turned_table(const Tensor& table, const Grid& grid) {
  const half* from = tile_data(table);
  std::vector<half> rows(grid.padded() * kDim, 0);
  const int64_t high = 2 * grid.rows - 1, all = grid.distances();
  for (int64_t d = 0; d < all; ++d) {
    const int64_t source = d < high ? high - 1 - d : high + all - 1 - d;
    std::memcpy(rows.data() + d * kDim, from + source * kDim, 2 * kDim);
  }
  return rows;
}

// What a query says to 16 keys from number k on.
template <int kColumns>
static inline __m512 position(const float* near, const Grid& grid, int64_t y, int64_t x, int64_t k) {
  const float* above = near + grid.rows - 1 - y;
  const float* beside = near + 2 * grid.rows - 1 + kColumns - 1 - x;
  if constexpr (kColumns == 8) {
    const __m256 row = _mm256_loadu_ps(beside);
    const __m512 both = _mm512_insertf32x8(_mm512_castps256_ps512(row), row, 1);
    const __m512 rows =
        _mm512_mask_blend_ps(0xff00, _mm512_set1_ps(above[k / 8]), _mm512_set1_ps(above[k / 8 + 1]));
    return _mm512_add_ps(both, rows);
  }
  return _mm512_add_ps(_mm512_loadu_ps(beside + k % kColumns), _mm512_set1_ps(above[k / kColumns]));
}

template <int kColumns>
static void forward_of(const half* qkv, const half* table, half* out, half* shares, int64_t images, const Grid& grid) {
  const int64_t tokens = grid.tokens(), channels = grid.heads * kDim, padded = grid.padded();
  at::parallel_for(0, grid.units(images), 16, [&](int64_t begin, int64_t end) {
    const Tiles tiles;
    Buffers buffers(2 * (5 * tokens + padded) * kDim + 64 * (tokens + padded + kDim));
    half *q = buffers.take<half>(tokens * kDim), *k = buffers.take<half>(tokens * kDim);
    half *v = buffers.take<half>(tokens * kDim), *keys = buffers.take<half>(tokens * kDim);
    half *values = buffers.take<half>(tokens * kDim), *places = buffers.take<half>(padded * kDim);
    float *logits = buffers.take<float>(16 * tokens), *near = buffers.take<float>(16 * padded);
    float* said = buffers.take<float>(16 * kDim);
    pack_transposed(table, padded, places);
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t head = unit % grid.heads * kDim;
      grid.each(unit, [&](int64_t t, int64_t token) {
        const half* row = qkv + token * 3 * channels + head;
        std::memcpy(q + t * kDim, row, 2 * kDim);
        std::memcpy(k + t * kDim, row + channels, 2 * kDim);
        std::memcpy(v + t * kDim, row + 2 * channels, 2 * kDim);
      });
      pack_transposed(k, tokens, keys);
      pack_plain(v, tokens, values);
      const int64_t start = grid.first(unit);
      half* share = shares + unit * tokens * tokens;
      for (int64_t i = 0; i < tokens; i += 16, share += 16 * tokens) {
        multiply(q + i * kDim, keys, tokens, logits);
        multiply(q + i * kDim, places, padded, near);
        for (int64_t row = 0; row < 16; ++row) {
          const int64_t y = (i + row) / kColumns, x = (i + row) % kColumns;
          float* z = logits + row * tokens;
          __m512 top = _mm512_set1_ps(-3e38f), total = _mm512_setzero_ps();
          for (int64_t j = 0; j < tokens; j += 16) {
            const __m512 value =
                _mm512_add_ps(_mm512_loadu_ps(z + j), position<kColumns>(near + row * padded, grid, y, x, j));
            _mm512_storeu_ps(z + j, value);
            top = _mm512_max_ps(top, value);
          }
          top = _mm512_set1_ps(_mm512_reduce_max_ps(top));
          for (int64_t j = 0; j < tokens; j += 16) {
            const __m512 e = exponential(_mm512_sub_ps(_mm512_loadu_ps(z + j), top));
            _mm512_storeu_ps(z + j, e);
            total = _mm512_add_ps(total, e);
          }
          const __m512 scale = _mm512_set1_ps(1.0f / _mm512_reduce_add_ps(total));
          for (int64_t j = 0; j < tokens; j += 32)
            store_half(share + row * tokens + j, _mm512_mul_ps(_mm512_loadu_ps(z + j), scale),
                       _mm512_mul_ps(_mm512_loadu_ps(z + j + 16), scale));
        }
        _tile_zero(0);
        _tile_zero(1);
        gather(share, tokens, values, tokens);
        _tile_stored(0, said, 4 * kDim);
        _tile_stored(1, said + 16, 4 * kDim);
        for (int64_t row = 0; row < 16; ++row) {
          const int64_t token = start + (i + row) / kColumns * grid.width + (i + row) % kColumns;
          store_half(out + token * channels + head, _mm512_loadu_ps(said + row * kDim),
                     _mm512_loadu_ps(said + row * kDim + 16));
        }
      }
    }
  });
}

// From turned tiles (32 channels, tokens) in single precision to rows of the gradient of qkv.
static void put_turned(const float* turned, half* of_qkv, int64_t stride, int64_t unit, const Grid& grid) {
  alignas(64) float rows[16 * kDim];
  const int64_t start = grid.first(unit), tokens = grid.tokens();
  for (int64_t i = 0; i < tokens; i += 16) {
    transpose(turned + i, 4 * tokens, rows, 4 * kDim);
    transpose(turned + 16 * tokens + i, 4 * tokens, rows + 16, 4 * kDim);
    for (int64_t row = 0; row < 16; ++row) {
      const int64_t token = start + (i + row) / grid.columns * grid.width + (i + row) % grid.columns;
      store_half(of_qkv + token * stride, _mm512_loadu_ps(rows + row * kDim), _mm512_loadu_ps(rows + row * kDim + 16));
    }
  }
}

template <int kColumns>
static void backward_of(const half* grad, const half* qkv, const half* table, const half* shares, half* of_qkv,
                        float* of_table, int64_t images, const Grid& grid) {
  const int64_t tokens = grid.tokens(), channels = grid.heads * kDim, padded = grid.padded();
  std::mutex lock;
  at::parallel_for(0, grid.units(images), 16, [&](int64_t begin, int64_t end) {
    const Tiles tiles;
    Buffers buffers(2 * ((8 * tokens + padded) * kDim + 32 * (tokens + padded) + (padded + 2 * tokens) * tokens) +
                    4 * (16 * tokens + (2 * tokens + padded + 16) * kDim + padded));
    half *q = buffers.take<half>(tokens * kDim), *k = buffers.take<half>(tokens * kDim);
    half *v = buffers.take<half>(tokens * kDim), *g = buffers.take<half>(tokens * kDim);
    half *keys = buffers.take<half>(tokens * kDim), *values = buffers.take<half>(tokens * kDim);
    half *q_columns = buffers.take<half>(tokens * kDim), *g_columns = buffers.take<half>(tokens * kDim);
    half *places = buffers.take<half>(padded * kDim), *slope = buffers.take<half>(32 * tokens);
    half *of_near = buffers.take<half>(32 * padded), *near_pairs = buffers.take<half>(padded * tokens);
    half *slope_pairs = buffers.take<half>(tokens * tokens), *share_pairs = buffers.take<half>(tokens * tokens);
    float *back = buffers.take<float>(16 * tokens), *sums = buffers.take<float>(kDim * padded);
    float *said = buffers.take<float>(16 * kDim), *turned = buffers.take<float>(2 * kDim * tokens);
    float* line = buffers.take<float>(padded);
    std::fill(sums, sums + kDim * padded, 0.0f);
    std::fill(of_near, of_near + 32 * padded, half(0));
    pack_plain(table, padded, places);
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t head = unit % grid.heads * kDim, start = grid.first(unit);
      grid.each(unit, [&](int64_t t, int64_t token) {
        const half* row = qkv + token * 3 * channels + head;
        std::memcpy(q + t * kDim, row, 2 * kDim);
        std::memcpy(k + t * kDim, row + channels, 2 * kDim);
        std::memcpy(v + t * kDim, row + 2 * channels, 2 * kDim);
        std::memcpy(g + t * kDim, grad + token * channels + head, 2 * kDim);
      });
      pack_plain(k, tokens, keys);
      pack_transposed(v, tokens, values);
      pack_columns(q, tokens, q_columns);
      pack_columns(g, tokens, g_columns);
      for (int64_t i = 0; i < tokens; i += 32) {  // rows of slopes are paired two by two
        const half* share = shares + (unit * tokens + i) * tokens;
        for (int64_t part = 0; part < 32; part += 16) {
          multiply(g + (i + part) * kDim, values, tokens, back);
          for (int64_t row = part; row < part + 16; ++row) {
            const int64_t y = (i + row) / kColumns, x = (i + row) % kColumns;
            const half* p = share + row * tokens;
            const float* b = back + (row - part) * tokens;
            __m512 total = _mm512_setzero_ps();
            for (int64_t j = 0; j < tokens; j += 16)
              total = _mm512_fmadd_ps(load_half(p + j), _mm512_loadu_ps(b + j), total);
            const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(total));
            // Sums over columns go to the distance in rows, sums over rows to the distance in columns.
            for (int64_t d = 0; d < padded; d += 16) _mm512_storeu_ps(line + d, _mm512_setzero_ps());
            float *above = line + grid.rows - 1 - y, *beside = line + 2 * grid.rows - 1 + kColumns - 1 - x;
            __m512 across[kColumns > 16 ? 2 : 1] = {};
            for (int64_t j = 0; j < tokens; j += 32) {
              __m512 s[2];
              for (int64_t h = 0; h < 2; ++h) {
                const int64_t at = j + 16 * h;
                s[h] = _mm512_mul_ps(load_half(p + at), _mm512_sub_ps(_mm512_loadu_ps(b + at), mean));
                across[kColumns > 16 ? h : 0] = _mm512_add_ps(across[kColumns > 16 ? h : 0], s[h]);
                if constexpr (kColumns == 8) {
                  above[at / 8] = _mm512_mask_reduce_add_ps(0x00ff, s[h]);
                  above[at / 8 + 1] = _mm512_mask_reduce_add_ps(0xff00, s[h]);
                } else if constexpr (kColumns == 16) {
                  above[at / 16] = _mm512_reduce_add_ps(s[h]);
                }
              }
              if constexpr (kColumns == 32) above[j / 32] = _mm512_reduce_add_ps(_mm512_add_ps(s[0], s[1]));
              store_half(slope + row * tokens + j, s[0], s[1]);
            }
            if constexpr (kColumns == 8) {
              _mm256_storeu_ps(beside, _mm256_add_ps(_mm512_castps512_ps256(across[0]),
                                                     _mm512_extractf32x8_ps(across[0], 1)));
            } else {
              for (int64_t h = 0; h < kColumns / 16; ++h) _mm512_storeu_ps(beside + 16 * h, across[h]);
            }
            for (int64_t d = 0; d < padded; d += 32)
              store_half(of_near + row * padded + d, _mm512_loadu_ps(line + d), _mm512_loadu_ps(line + d + 16));
          }
          // Gradient of 16 queries: from the keys, and from the table.
          _tile_zero(0);
          _tile_zero(1);
          gather(slope + part * tokens, tokens, keys, tokens);
          gather(of_near + part * padded, padded, places, padded);
          _tile_stored(0, said, 4 * kDim);
          _tile_stored(1, said + 16, 4 * kDim);
          for (int64_t row = 0; row < 16; ++row) {
            const int64_t t = i + part + row, token = start + t / kColumns * grid.width + t % kColumns;
            store_half(of_qkv + token * 3 * channels + head, _mm512_loadu_ps(said + row * kDim),
                       _mm512_loadu_ps(said + row * kDim + 16));
          }
        }
        // Tiles of 32 queries and 16 keys (or distances), one after the other for each 16 keys.
        const auto pair_all = [&](const half* rows, int64_t count, half* to) {
          for (int64_t r = 0; r < 32; r += 2)
            for (int64_t j = 0; j < count; j += 32) {
              half* at = to + j / 16 * 32 * 16 * (tokens / 32) + i / 32 * 512 + r / 2 * 32;
              pair(_mm512_loadu_si512(rows + r * count + j), _mm512_loadu_si512(rows + (r + 1) * count + j), at,
                   at + 512 * (tokens / 32));
            }
        };
        pair_all(slope, tokens, slope_pairs);
        pair_all(share, tokens, share_pairs);
        pair_all(of_near, padded, near_pairs);
      }
      float* of_values = turned + kDim * tokens;
      for (int64_t j = 0; j < tokens; j += 16) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        for (int64_t i = 0; i < tokens; i += 32) {
          _tile_loadd(4, q_columns + i, 2 * tokens);
          _tile_loadd(5, q_columns + 16 * tokens + i, 2 * tokens);
          _tile_loadd(6, slope_pairs + j * tokens + i * 16, 64);
          _tile_dpbf16ps(0, 4, 6);
          _tile_dpbf16ps(1, 5, 6);
          _tile_loadd(4, g_columns + i, 2 * tokens);
          _tile_loadd(5, g_columns + 16 * tokens + i, 2 * tokens);
          _tile_loadd(7, share_pairs + j * tokens + i * 16, 64);
          _tile_dpbf16ps(2, 4, 7);
          _tile_dpbf16ps(3, 5, 7);
        }
        _tile_stored(0, turned + j, 4 * tokens);
        _tile_stored(1, turned + 16 * tokens + j, 4 * tokens);
        _tile_stored(2, of_values + j, 4 * tokens);
        _tile_stored(3, of_values + 16 * tokens + j, 4 * tokens);
      }
      put_turned(turned, of_qkv + channels + head, 3 * channels, unit, grid);
      put_turned(of_values, of_qkv + 2 * channels + head, 3 * channels, unit, grid);
      for (int64_t d = 0; d < padded; d += 16) {  // gradient of the table, over all units
        _tile_loadd(0, sums + d, 4 * padded);
        _tile_loadd(1, sums + 16 * padded + d, 4 * padded);
        for (int64_t i = 0; i < tokens; i += 32) {
          _tile_loadd(4, q_columns + i, 2 * tokens);
          _tile_loadd(5, q_columns + 16 * tokens + i, 2 * tokens);
          _tile_loadd(6, near_pairs + d * tokens + i * 16, 64);
          _tile_dpbf16ps(0, 4, 6);
          _tile_dpbf16ps(1, 5, 6);
        }
        _tile_stored(0, sums + d, 4 * padded);
        _tile_stored(1, sums + 16 * padded + d, 4 * padded);
      }
    }
    const std::lock_guard<std::mutex> guard(lock);
    const int64_t high = 2 * grid.rows - 1, all = grid.distances();
    for (int64_t d = 0; d < all; ++d) {
      const int64_t to = d < high ? high - 1 - d : high + all - 1 - d;
      for (int64_t c = 0; c < kDim; ++c) of_table[to * kDim + c] += sums[c * padded + d];
    }
  });
}

static Grid grid_of(const Tensor& qkv, int64_t heads, int64_t rows, int64_t columns) {
  const Grid grid{qkv.size(1), qkv.size(2), rows, columns, heads};
  TORCH_CHECK(qkv.size(3) == 3 * heads * kDim, "expected heads of 32 channels");
  TORCH_CHECK(grid.height % rows == 0 && grid.width % columns == 0, "expected whole windows");
  TORCH_CHECK((columns == 8 || columns == 16 || columns == 32) && rows * columns % 32 == 0,
              "expected windows of 8, 16 or 32 columns and a multiple of 32 tokens");
  return grid;
}

// Tokens (images, height, width, queries | keys | values), which attend within windows of so many rows and columns.
// Returns what they gather, and the shares of all keys.
static std::vector<Tensor> grid_attention(
    const Tensor& qkv, const Tensor& table, int64_t heads, int64_t rows, int64_t columns) {
  const Grid grid = grid_of(qkv, heads, rows, columns);
  TORCH_CHECK(table.size(0) == grid.distances() && table.size(1) == kDim, "expected all distances");
  const int64_t tokens = grid.tokens();
  Tensor out = at::empty({qkv.size(0), grid.height, grid.width, heads * kDim}, qkv.options());
  Tensor shares = at::empty({grid.units(qkv.size(0)), tokens, tokens}, qkv.options());
  const auto places = turned_table(table, grid);
  auto run = columns == 8 ? forward_of<8> : columns == 16 ? forward_of<16> : forward_of<32>;
  run(tile_data(qkv), places.data(), tile_data(out), tile_data(shares), qkv.size(0), grid);
  return {out, shares};
}

static std::vector<Tensor> grid_attention_backward(const Tensor& grad, const Tensor& qkv, const Tensor& table,
                                            const Tensor& shares, int64_t heads, int64_t rows, int64_t columns) {
  const Grid grid = grid_of(qkv, heads, rows, columns);
  Tensor of_qkv = at::empty_like(qkv);
  Tensor of_table = at::zeros({grid.distances(), kDim}, qkv.options().dtype(at::kFloat));
  const auto places = turned_table(table, grid);
  auto run = columns == 8 ? backward_of<8> : columns == 16 ? backward_of<16> : backward_of<32>;
  run(tile_data(grad), tile_data(qkv), places.data(), tile_data(shares), tile_data(of_qkv), of_table.data_ptr<float>(), qkv.size(0), grid);
  return {of_qkv, of_table};
}

#else

static std::vector<Tensor> grid_attention(const Tensor&, const Tensor&, int64_t, int64_t, int64_t) {
  TORCH_CHECK(false, "expected a processor with AMX");
}

static std::vector<Tensor> grid_attention_backward(
    const Tensor&, const Tensor&, const Tensor&, const Tensor&, int64_t, int64_t, int64_t) {
  TORCH_CHECK(false, "expected a processor with AMX");
}

#endif
