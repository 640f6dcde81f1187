// Two steps of the small SAM's training in bfloat16, each in one walk over memory.
//
// PyTorch's layer norm is slow on short rows, and the mask loss takes it some twenty walks. The loops below are plain
// C++ which the compiler vectorises (-O3 -march=native -ffast-math); exponential and logarithm are polynomials
// accurate to about 1e-7, a thousand times finer than bfloat16. pretrain_kernels.py calls them.
#include <torch/extension.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

using at::Tensor;
using half = uint16_t;  // bfloat16: the upper half of a float

static inline float up(half x) {
  uint32_t bits = uint32_t(x) << 16;
  float y;
  std::memcpy(&y, &bits, 4);
  return y;
}

static inline half down(float x) {  // to nearest, ties to even
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return half((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

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

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("layer_norm", &layer_norm);
  m.def("layer_norm_backward", &layer_norm_backward);
  m.def("mask_sums", &mask_sums);
  m.def("mask_sums_backward", &mask_sums_backward);
}
