// Steps of the small SAM's training in bfloat16, each in one walk over memory.
//
// PyTorch's layer norm, softmax and gelu are slow in bfloat16, and the mask loss takes it some twenty walks. The loops below are plain
// C++ which the compiler vectorises (-O3 -march=native -ffast-math); exponential and logarithm are polynomials
// accurate to about 1e-7, a thousand times finer than bfloat16. kernels.py calls them.
#include <torch/extension.h>

#include "attention.h"
#include "gelu.h"
#include "optimiser.h"
#include "products.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

static inline float exponential(float x) {
  x = x < -87.0f ? -87.0f : (x > 88.0f ? 88.0f : x);
  float whole = std::floor(x * 1.44269504f + 0.5f);
  float r = x - whole * 0.693145752f - whole * 1.42860677e-6f;
  float p = 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  int32_t bits = (int32_t(whole) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, 4);
  return p * power;
}

static inline float log_of_one_plus(float y) {  // for y in [0, 1]: 2 artanh(y / (2 + y))
  float t = y / (2.0f + y), t2 = t * t;
  float p = 1.0f / 11.0f;
  p = p * t2 + 1.0f / 9.0f;
  p = p * t2 + 1.0f / 7.0f;
  p = p * t2 + 0.2f;
  p = p * t2 + 1.0f / 3.0f;
  return 2.0f * t * (1.0f + t2 * p);
}

static half* data(const Tensor& x) {
  return reinterpret_cast<half*>(x.data_ptr<at::BFloat16>());
}

static void check(const Tensor& x) {
  TORCH_CHECK(x.is_contiguous() && x.scalar_type() == at::kBFloat16, "expected contiguous bfloat16");
}

// Layer norm over the last axis: result, mean and inverse deviation of every row.
std::vector<Tensor> layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  check(x), check(weight), check(bias);
  const int64_t columns = x.size(-1), rows = x.numel() / columns;
  Tensor out = at::empty_like(x), stats = at::empty({2, rows}, x.options().dtype(at::kFloat));
  half *xs = data(x), *ys = data(out), *w = data(weight), *b = data(bias);
  float *means = stats.data_ptr<float>(), *inverses = means + rows;
  at::parallel_for(0, rows, 256, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const half* __restrict in = xs + row * columns;
      half* __restrict y = ys + row * columns;
      float sum = 0, squares = 0;
      for (int64_t i = 0; i < columns; ++i) sum += up(in[i]);
      const float mean = sum / columns;
      for (int64_t i = 0; i < columns; ++i) {
        float d = up(in[i]) - mean;
        squares += d * d;
      }
      const float inverse = 1.0f / std::sqrt(squares / columns + float(eps));
      means[row] = mean, inverses[row] = inverse;
      for (int64_t i = 0; i < columns; ++i)
        y[i] = down((up(in[i]) - mean) * inverse * up(w[i]) + up(b[i]));
    }
  });
  return {out, stats};
}

std::vector<Tensor> layer_norm_backward(
    const Tensor& grad, const Tensor& x, const Tensor& weight, const Tensor& stats) {
  check(grad), check(x), check(weight);
  const int64_t columns = x.size(-1), rows = x.numel() / columns;
  Tensor out = at::empty_like(x);
  Tensor sums = at::zeros({2, columns}, x.options().dtype(at::kFloat));
  half *gs = data(grad), *xs = data(x), *ys = data(out), *w = data(weight);
  const float *means = stats.data_ptr<float>(), *inverses = means + rows;
  float *__restrict of_weight = sums.data_ptr<float>(), *__restrict of_bias = of_weight + columns;
  std::vector<float> buffer(2 * columns);
  float *__restrict scaled = buffer.data(), *__restrict normal = scaled + columns;
  for (int64_t row = 0; row < rows; ++row) {  // one thread: the sums over rows are shared
    const half *__restrict g = gs + row * columns, *__restrict in = xs + row * columns;
    half* __restrict y = ys + row * columns;
    const float mean = means[row], inverse = inverses[row];
    float first = 0, second = 0;
    for (int64_t i = 0; i < columns; ++i) {
      float gradient = up(g[i]);
      normal[i] = (up(in[i]) - mean) * inverse;
      scaled[i] = gradient * up(w[i]);
      of_weight[i] += gradient * normal[i];
      of_bias[i] += gradient;
      first += scaled[i];
      second += scaled[i] * normal[i];
    }
    first /= columns, second /= columns;
    for (int64_t i = 0; i < columns; ++i)
      y[i] = down(inverse * (scaled[i] - first - normal[i] * second));
  }
  return {out, sums};
}

// For every mask of logits (masks, candidates, pixels) and its truth (masks, pixels): summed focal loss with
// alpha 1/4 and gamma 2, summed probability inside the truth, summed probability; pixels above 0 inside the truth,
// pixels above 0, pixels of the truth.
Tensor mask_sums(const Tensor& logits, const Tensor& truth) {
  check(logits);
  TORCH_CHECK(truth.is_contiguous() && truth.scalar_type() == at::kBool, "expected contiguous bool");
  const int64_t masks = logits.size(0), candidates = logits.size(1), pixels = logits.size(2);
  Tensor out = at::empty({masks, candidates, 6}, logits.options().dtype(at::kFloat));
  const half* zs = data(logits);
  const uint8_t* ts = reinterpret_cast<const uint8_t*>(truth.data_ptr<bool>());
  float* sums = out.data_ptr<float>();
  at::parallel_for(0, masks * candidates, 8, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const half* __restrict z = zs + n * pixels;
      const uint8_t* __restrict t = ts + n / candidates * pixels;
      float focal = 0, inside = 0, total = 0, both = 0, found = 0, area = 0;
      for (int64_t i = 0; i < pixels; ++i) {
        const float v = up(z[i]), true_ = float(t[i]);
        const float e = exponential(-std::fabs(v)), r = 1.0f / (1.0f + e);
        const float p = v >= 0 ? r : e * r;             // probability of being inside
        const float wrong = true_ > 0 ? 1.0f - p : p;   // loses no digits that bfloat16 has
        const float away = true_ > 0 ? -v : v;          // the logit of being wrong
        const float cross = (away > 0 ? away : 0.0f) + log_of_one_plus(e);
        focal += (0.75f - 0.5f * true_) * wrong * wrong * cross;
        inside += p * true_;
        total += p;
        const float positive = v > 0 ? 1.0f : 0.0f;
        both += positive * true_;
        found += positive;
        area += true_;
      }
      float* s = sums + n * 6;
      s[0] = focal, s[1] = inside, s[2] = total, s[3] = both, s[4] = found, s[5] = area;
    }
  });
  return out;
}

// Gradient of the logits, given those of the first three sums.
Tensor mask_sums_backward(const Tensor& grad, const Tensor& logits, const Tensor& truth) {
  check(logits);
  const int64_t masks = logits.size(0), candidates = logits.size(1), pixels = logits.size(2);
  Tensor given = grad.contiguous(), out = at::empty_like(logits);
  const half* zs = data(logits);
  half* ys = data(out);
  const uint8_t* ts = reinterpret_cast<const uint8_t*>(truth.data_ptr<bool>());
  const float* gs = given.data_ptr<float>();
  at::parallel_for(0, masks * candidates, 8, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const float of_focal = gs[n * 6], of_inside = gs[n * 6 + 1], of_total = gs[n * 6 + 2];
      half* __restrict y = ys + n * pixels;
      if (of_focal == 0 && of_inside == 0 && of_total == 0) {  // a candidate that was not the best
        std::memset(y, 0, pixels * sizeof(half));
        continue;
      }
      const half* __restrict z = zs + n * pixels;
      const uint8_t* __restrict t = ts + n / candidates * pixels;
      for (int64_t i = 0; i < pixels; ++i) {
        const float v = up(z[i]), true_ = float(t[i]);
        const float e = exponential(-std::fabs(v)), r = 1.0f / (1.0f + e);
        const float p = v >= 0 ? r : e * r, slope = e * r * r;  // p (1 - p)
        const float wrong = true_ > 0 ? 1.0f - p : p;
        const float away = true_ > 0 ? -v : v, sign = true_ > 0 ? -1.0f : 1.0f;
        const float cross = (away > 0 ? away : 0.0f) + log_of_one_plus(e);
        // d(wrong^2 cross) / d away, with d wrong / d away = slope and d cross / d away = wrong
        const float focal = wrong * (2.0f * slope * cross + wrong * wrong);
        y[i] = down(of_focal * (0.75f - 0.5f * true_) * sign * focal +
                    slope * (of_inside * true_ + of_total));
      }
    }
  });
  return out;
}

// The gelu x Phi(x) and its slope. Phi from one exponential (Abramowitz and Stegun 7.1.26), accurate to 1e-7.
static inline void gelu_of(float x, float* value, float* slope) {
  const float e = exponential(-0.5f * x * x);
  const float t = 1.0f / (1.0f + 0.3275911f * 0.707106781f * std::fabs(x));
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const float tail = 0.5f * p * t * e, share = x < 0 ? tail : 1.0f - tail;
  *value = x * share;
  *slope = share + x * e * 0.398942280f;
}

Tensor gelu(const Tensor& x) {
  check(x);
  Tensor out = at::empty_like(x);
  half *xs = data(x), *ys = data(out);
  if (vector_gelu(xs, nullptr, ys, x.numel())) return out;
  at::parallel_for(0, x.numel(), 1 << 15, [&](int64_t begin, int64_t end) {
    const half* __restrict in = xs;
    half* __restrict y = ys;
    for (int64_t i = begin; i < end; ++i) {
      float value, slope;
      gelu_of(up(in[i]), &value, &slope);
      y[i] = down(value);
    }
  });
  return out;
}

Tensor gelu_backward(const Tensor& grad, const Tensor& x) {
  check(grad), check(x);
  Tensor out = at::empty_like(x);
  half *gs = data(grad), *xs = data(x), *ys = data(out);
  if (vector_gelu(xs, gs, ys, x.numel())) return out;
  at::parallel_for(0, x.numel(), 1 << 15, [&](int64_t begin, int64_t end) {
    const half *__restrict g = gs, *__restrict in = xs;
    half* __restrict y = ys;
    for (int64_t i = begin; i < end; ++i) {
      float value, slope;
      gelu_of(up(in[i]), &value, &slope);
      y[i] = down(up(g[i]) * slope);
    }
  });
  return out;
}

// Sums over the rows of a matrix, in single precision.
Tensor row_sums(const Tensor& x) {
  check(x);
  const int64_t rows = x.size(0), columns = x.size(1);
  Tensor out = at::zeros({columns}, x.options().dtype(at::kFloat));
  const half* xs = data(x);
  float* __restrict sums = out.data_ptr<float>();
  for (int64_t row = 0; row < rows; ++row) {
    const half* __restrict in = xs + row * columns;
    for (int64_t i = 0; i < columns; ++i) sums[i] += up(in[i]);
  }
  return out;
}

// Softmax over the middle axis of (outer, middle, inner); inner is 1 for the last axis.
Tensor softmax(const Tensor& x, int64_t middle, int64_t inner) {
  check(x);
  Tensor out = at::empty_like(x);
  const half* xs = data(x);
  half* ys = data(out);
  const int64_t block = middle * inner;
  at::parallel_for(0, x.numel() / block, 1 + (1 << 14) / block, [&](int64_t begin, int64_t end) {
    std::vector<float> buffer(block + 2 * inner);
    float *__restrict e = buffer.data(), *__restrict most = e + block, *__restrict sum = most + inner;
    for (int64_t n = begin; n < end; ++n) {
      const half* __restrict in = xs + n * block;
      half* __restrict y = ys + n * block;
      if (inner == 1) {
        float top = -3e38f, total = 0;
        for (int64_t i = 0; i < middle; ++i) top = std::max(top, up(in[i]));
        for (int64_t i = 0; i < middle; ++i) {
          e[i] = exponential(up(in[i]) - top);
          total += e[i];
        }
        const float share = 1.0f / total;
        for (int64_t i = 0; i < middle; ++i) y[i] = down(e[i] * share);
        continue;
      }
      for (int64_t i = 0; i < inner; ++i) most[i] = up(in[i]), sum[i] = 0;
      for (int64_t m = 1; m < middle; ++m)
        for (int64_t i = 0; i < inner; ++i) most[i] = std::max(most[i], up(in[m * inner + i]));
      for (int64_t m = 0; m < middle; ++m)
        for (int64_t i = 0; i < inner; ++i) {
          const float value = exponential(up(in[m * inner + i]) - most[i]);
          e[m * inner + i] = value;
          sum[i] += value;
        }
      for (int64_t i = 0; i < inner; ++i) sum[i] = 1.0f / sum[i];
      for (int64_t m = 0; m < middle; ++m)
        for (int64_t i = 0; i < inner; ++i) y[m * inner + i] = down(e[m * inner + i] * sum[i]);
    }
  });
  return out;
}

Tensor softmax_backward(const Tensor& grad, const Tensor& shares, int64_t middle, int64_t inner) {
  check(grad), check(shares);
  Tensor out = at::empty_like(shares);
  const half *gs = data(grad), *ps = data(shares);
  half* ys = data(out);
  const int64_t block = middle * inner;
  at::parallel_for(0, shares.numel() / block, 1 + (1 << 14) / block, [&](int64_t begin, int64_t end) {
    std::vector<float> buffer(inner);
    float* __restrict sum = buffer.data();
    for (int64_t n = begin; n < end; ++n) {
      const half *__restrict g = gs + n * block, *__restrict p = ps + n * block;
      half* __restrict y = ys + n * block;
      if (inner == 1) {
        float total = 0;
        for (int64_t i = 0; i < middle; ++i) total += up(g[i]) * up(p[i]);
        for (int64_t i = 0; i < middle; ++i) y[i] = down(up(p[i]) * (up(g[i]) - total));
        continue;
      }
      for (int64_t i = 0; i < inner; ++i) sum[i] = 0;
      for (int64_t m = 0; m < middle; ++m)
        for (int64_t i = 0; i < inner; ++i) sum[i] += up(g[m * inner + i]) * up(p[m * inner + i]);
      for (int64_t m = 0; m < middle; ++m)
        for (int64_t i = 0; i < inner; ++i)
          y[m * inner + i] = down(up(p[m * inner + i]) * (up(g[m * inner + i]) - sum[i]));
    }
  });
  return out;
}

// In place: softmax of logits (batch, queries, keys) on a grid of tokens, after adding to each what its query says to
// the distance in rows and in columns: near (batch, queries, 2 rows - 1 + 2 columns - 1).
template <int kColumns>
static void grid_softmax_of(half* logits, const half* near, int64_t count, int64_t rows, int64_t width) {
  const int64_t columns = kColumns ? kColumns : width, keys = rows * columns;
  const int64_t distances = 2 * rows + 2 * columns - 2;
  at::parallel_for(0, count, 64, [&](int64_t begin, int64_t end) {
    std::vector<float> buffer(keys + columns);
    float *__restrict e = buffer.data(), *__restrict beside = e + keys;
    for (int64_t n = begin; n < end; ++n) {
      half* __restrict z = logits + n * keys;
      const half* __restrict d = near + n * distances;
      const int64_t query = n % keys, y = query / columns, x = query % columns;
      const half* across = d + 2 * rows - 1;
      for (int64_t i = 0; i < columns; ++i) beside[i] = up(across[columns - 1 + x - i]);
      for (int64_t j = 0; j < rows; ++j) {
        const float above = up(d[rows - 1 + y - j]);
        for (int64_t i = 0; i < columns; ++i) e[j * columns + i] = up(z[j * columns + i]) + above + beside[i];
      }
      float top = -3e38f, total = 0;
      for (int64_t i = 0; i < keys; ++i) top = std::max(top, e[i]);
      for (int64_t i = 0; i < keys; ++i) {
        e[i] = exponential(e[i] - top);
        total += e[i];
      }
      const float share = 1.0f / total;
      for (int64_t i = 0; i < keys; ++i) z[i] = down(e[i] * share);
    }
  });
}

void grid_softmax(const Tensor& logits, const Tensor& near, int64_t rows, int64_t columns) {
  check(logits), check(near);
  const int64_t count = logits.numel() / (rows * columns);
  TORCH_CHECK(near.numel() == count * (2 * rows + 2 * columns - 2), "expected all distances");
  auto run = columns == 8 ? grid_softmax_of<8> : columns == 16 ? grid_softmax_of<16> : grid_softmax_of<0>;
  run(data(logits), data(near), count, rows, columns);
}

// In place: gradient of the logits, given that of the shares. Returns the gradient of near.
template <int kColumns>
static void grid_softmax_backward_of(
    half* grad, const half* shares, half* of_near, int64_t count, int64_t rows, int64_t width) {
  const int64_t columns = kColumns ? kColumns : width, keys = rows * columns;
  const int64_t distances = 2 * rows + 2 * columns - 2;
  at::parallel_for(0, count, 64, [&](int64_t begin, int64_t end) {
    std::vector<float> buffer(columns);
    float* __restrict beside = buffer.data();
    for (int64_t n = begin; n < end; ++n) {
      half* __restrict g = grad + n * keys;
      const half* __restrict p = shares + n * keys;
      half* __restrict d = of_near + n * distances;
      const int64_t query = n % keys, y = query / columns, x = query % columns;
      std::memset(d, 0, distances * sizeof(half));
      float total = 0;
      for (int64_t i = 0; i < keys; ++i) total += up(g[i]) * up(p[i]);
      for (int64_t i = 0; i < columns; ++i) beside[i] = 0;
      for (int64_t j = 0; j < rows; ++j) {
        float above = 0;
        for (int64_t i = 0; i < columns; ++i) {
          const float value = up(p[j * columns + i]) * (up(g[j * columns + i]) - total);
          g[j * columns + i] = down(value);
          above += value;
          beside[i] += value;
        }
        d[rows - 1 + y - j] = down(above);
      }
      half* across = d + 2 * rows - 1;
      for (int64_t i = 0; i < columns; ++i) across[columns - 1 + x - i] = down(beside[i]);
    }
  });
}

Tensor grid_softmax_backward(const Tensor& grad, const Tensor& shares, int64_t rows, int64_t columns) {
  check(grad), check(shares);
  const int64_t count = shares.numel() / (rows * columns);
  Tensor of_near = at::empty({count, 2 * rows + 2 * columns - 2}, shares.options());
  auto run = columns == 8    ? grid_softmax_backward_of<8>
             : columns == 16 ? grid_softmax_backward_of<16>
                             : grid_softmax_backward_of<0>;
  run(data(grad), data(shares), data(of_near), count, rows, columns);
  return of_near;
}

// Logits of masks, pixels in their places: hyper (prompts, 4, 16) times the gelu of x (prompts, tokens, 2 x 2, 2 x 2,
// 16), where the tokens of a prompt are a grid of so many rows.
constexpr int64_t kChannels = 16, kMasks = 4, kPixels = 16;

static inline int64_t place_of(int64_t token, int64_t sub, int64_t width) {
  const int64_t row = token / width * 4 + (sub >> 3 & 1) * 2 + (sub >> 1 & 1);
  const int64_t column = token % width * 4 + (sub >> 2 & 1) * 2 + (sub & 1);
  return row * width * 4 + column;
}

Tensor gelu_masks(const Tensor& hyper, const Tensor& x, int64_t rows) {
  check(hyper), check(x);
  const int64_t prompts = hyper.size(0), tokens = x.size(1), width = tokens / rows;
  TORCH_CHECK(hyper.size(1) == kMasks && hyper.size(2) == kChannels, "expected 4 masks of 16 channels");
  TORCH_CHECK(x.numel() == prompts * tokens * kPixels * kChannels, "expected 4 x 4 pixels a token");
  Tensor out = at::empty({prompts, kMasks, rows * 4, width * 4}, x.options());
  const half *hs = data(hyper), *xs = data(x);
  half* ys = data(out);
  at::parallel_for(0, prompts, 1, [&](int64_t begin, int64_t end) {
    float h[kMasks * kChannels], values[kPixels * kChannels], found[kPixels * kMasks];
    for (int64_t n = begin; n < end; ++n) {
      for (int64_t i = 0; i < kMasks * kChannels; ++i) h[i] = up(hs[n * kMasks * kChannels + i]);
      for (int64_t token = 0; token < tokens; ++token) {
        const half* __restrict in = xs + (n * tokens + token) * kPixels * kChannels;
        for (int64_t i = 0; i < kPixels * kChannels; ++i) {
          float slope;
          gelu_of(up(in[i]), values + i, &slope);
        }
        for (int64_t sub = 0; sub < kPixels; ++sub)
          for (int64_t m = 0; m < kMasks; ++m) {
            float sum = 0;
            for (int64_t i = 0; i < kChannels; ++i) sum += values[sub * kChannels + i] * h[m * kChannels + i];
            found[sub * kMasks + m] = sum;
          }
        for (int64_t sub = 0; sub < kPixels; ++sub) {
          half* y = ys + n * kMasks * tokens * kPixels + place_of(token, sub, width);
          for (int64_t m = 0; m < kMasks; ++m) y[m * tokens * kPixels] = down(found[sub * kMasks + m]);
        }
      }
    }
  });
  return out;
}

std::vector<Tensor> gelu_masks_backward(const Tensor& grad, const Tensor& hyper, const Tensor& x, int64_t rows) {
  check(grad), check(hyper), check(x);
  const int64_t prompts = hyper.size(0), tokens = x.size(1), width = tokens / rows;
  Tensor of_x = at::empty_like(x), of_hyper = at::empty_like(hyper);
  const half *gs = data(grad), *hs = data(hyper), *xs = data(x);
  half *ys = data(of_x), *os = data(of_hyper);
  at::parallel_for(0, prompts, 1, [&](int64_t begin, int64_t end) {
    float h[kMasks * kChannels], sums[kMasks * kChannels];
    float values[kPixels * kChannels], slopes[kPixels * kChannels];
    for (int64_t n = begin; n < end; ++n) {
      for (int64_t i = 0; i < kMasks * kChannels; ++i) h[i] = up(hs[n * kMasks * kChannels + i]), sums[i] = 0;
      for (int64_t token = 0; token < tokens; ++token) {
        const half* __restrict in = xs + (n * tokens + token) * kPixels * kChannels;
        half* __restrict y = ys + (n * tokens + token) * kPixels * kChannels;
        for (int64_t i = 0; i < kPixels * kChannels; ++i) gelu_of(up(in[i]), values + i, slopes + i);
        for (int64_t sub = 0; sub < kPixels; ++sub) {
          const half* g = gs + n * kMasks * tokens * kPixels + place_of(token, sub, width);
          float given[kMasks];
          for (int64_t m = 0; m < kMasks; ++m) given[m] = up(g[m * tokens * kPixels]);
          for (int64_t i = 0; i < kChannels; ++i) {
            const float value = values[sub * kChannels + i];
            float back = 0;
            for (int64_t m = 0; m < kMasks; ++m) {
              back += given[m] * h[m * kChannels + i];
              sums[m * kChannels + i] += given[m] * value;
            }
            slopes[sub * kChannels + i] *= back;
          }
        }
        for (int64_t i = 0; i < kPixels * kChannels; ++i) y[i] = down(slopes[i]);
      }
      for (int64_t i = 0; i < kMasks * kChannels; ++i) os[n * kMasks * kChannels + i] = down(sums[i]);
    }
  });
  return {of_hyper, of_x};
}

// First column, first row, last column and last row of every id below `top` in maps (n, levels, height, width).
Tensor id_ends(const Tensor& ids, int64_t top) {
  TORCH_CHECK(ids.is_contiguous() && ids.scalar_type() == at::kShort, "expected contiguous int16");
  const int64_t maps = ids.size(0) * ids.size(1), height = ids.size(2), width = ids.size(3);
  Tensor ends = at::empty({4, ids.size(0), ids.size(1), top}, ids.options().dtype(at::kLong));
  const int16_t* from = ids.data_ptr<int16_t>();
  int64_t* left = ends.data_ptr<int64_t>();
  int64_t *above = left + maps * top, *right = above + maps * top, *below = right + maps * top;
  std::fill(left, right, std::max(height, width));
  std::fill(right, below + maps * top, 0);
  for (int64_t map = 0; map < maps; ++map)
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width;) {
        const int16_t id = *from;
        const int64_t begin = x, at = map * top + id;
        TORCH_CHECK(id >= 0 && id < top, "expected ids from 0 to ", top - 1, ", got ", id);
        do ++x, ++from;  // along a run of one id
        while (x < width && *from == id);
        left[at] = std::min(left[at], begin), right[at] = std::max(right[at], x - 1);
        above[at] = std::min(above[at], y), below[at] = y;
      }
  return ends;
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("id_ends", &id_ends);
  m.def("tiles_usable", &tiles_usable);
  m.def("grid_attention", &grid_attention);
  m.def("grid_attention_backward", &grid_attention_backward);
  m.def("product_atb", &product_atb);
  m.def("newton_schulz", &newton_schulz);
  m.def("gradient_norm", &gradient_norm);
  m.def("move_momenta", &move_momenta);
  m.def("move_weights", &move_weights);
  m.def("layer_norm", &layer_norm);
  m.def("layer_norm_backward", &layer_norm_backward);
  m.def("mask_sums", &mask_sums);
  m.def("mask_sums_backward", &mask_sums_backward);
  m.def("gelu", &gelu);
  m.def("gelu_backward", &gelu_backward);
  m.def("row_sums", &row_sums);
  m.def("softmax", &softmax);
  m.def("softmax_backward", &softmax_backward);
  m.def("grid_softmax", &grid_softmax);
  m.def("grid_softmax_backward", &grid_softmax_backward);
  m.def("gelu_masks", &gelu_masks);
  m.def("gelu_masks_backward", &gelu_masks_backward);
}
