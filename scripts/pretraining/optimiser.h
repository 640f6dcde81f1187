// The optimiser's walks over weights, gradients and momenta, each tensor once per walk. PyTorch's operations on lists
// of tensors take nine walks for the same numbers: single-precision copies of gradients, their norm, clipping, two
// interpolations, decay, the update, and the copy in half precision. optim.py calls this.
#pragma once
#include "tiles.h"

#include <algorithm>
#include <cmath>

static half* halves(const Tensor& x) {
  TORCH_CHECK(x.is_contiguous() && x.scalar_type() == at::kBFloat16, "expected contiguous bfloat16");
  return reinterpret_cast<half*>(x.data_ptr<at::BFloat16>());
}

static float* floats(const Tensor& x) {
  TORCH_CHECK(x.is_contiguous() && x.scalar_type() == at::kFloat, "expected contiguous single precision");
  return x.data_ptr<float>();
}

// Length of all gradients together.
static double gradient_norm(const std::vector<Tensor>& gradients) {
  double total = 0;
  for (const Tensor& gradient : gradients) {
    const half* __restrict g = halves(gradient);
    for (int64_t first = 0, n = gradient.numel(); first < n; first += 4096) {  // short sums lose no digits
      float sum = 0;
      for (int64_t i = first; i < std::min(n, first + 4096); ++i) sum += up(g[i]) * up(g[i]);
      total += sum;
    }
  }
  return std::sqrt(total);
}

// Walks over a matrix (rows, columns) and a second one, which is its transpose if asked; in blocks, since one of the
// two is walked through across its rows. f(place in the first, place in the second).
template <class F>
static void both(int64_t rows, int64_t columns, bool transposed, F f) {
  constexpr int64_t kBlock = 32;
  if (!transposed) {
    for (int64_t i = 0; i < rows * columns; ++i) f(i, i);
    return;
  }
  for (int64_t y = 0; y < rows; y += kBlock)
    for (int64_t x = 0; x < columns; x += kBlock)
      for (int64_t i = y; i < std::min(rows, y + kBlock); ++i)
        for (int64_t j = x; j < std::min(columns, x + kBlock); ++j) f(i * columns + j, j * rows + i);
}

// Moves momenta towards clipped gradients and writes Nesterov's look ahead to the slices of `updates`.
static void move_momenta(const std::vector<Tensor>& gradients, const std::vector<Tensor>& momenta, const Tensor& updates,
                  bool transposed, double clip, double momentum) {
  half* out = halves(updates);
  const float scale = float(clip), keep = float(momentum);
  for (size_t n = 0; n < gradients.size(); ++n, out += gradients[0].numel()) {
    const int64_t rows = gradients[n].size(0), columns = gradients[n].numel() / rows;
    const half* __restrict g = halves(gradients[n]);
    float* __restrict m = floats(momenta[n]);
    half* __restrict y = out;
    both(rows, columns, transposed, [=](int64_t i, int64_t j) {
      const float gradient = scale * up(g[i]);
      const float moved = m[i] + (1 - keep) * (gradient - m[i]);
      m[i] = moved;
      y[j] = down(moved - (1 - keep) * (moved - gradient));
    });
  }
}

// Decays weights, adds the slices of `updates`, and copies to half precision.
static void move_weights(const std::vector<Tensor>& weights, const std::vector<Tensor>& copies, const Tensor& updates,
                  bool transposed, double decay, double rate) {
  const half* in = halves(updates);
  const float keep = float(1 - decay), step = float(rate);
  for (size_t n = 0; n < weights.size(); ++n, in += weights[0].numel()) {
    const int64_t rows = weights[n].size(0), columns = weights[n].numel() / rows;
    float* __restrict w = floats(weights[n]);
    half* __restrict h = halves(copies[n]);
    const half* __restrict u = in;
    both(rows, columns, transposed, [=](int64_t i, int64_t j) {
      const float weight = keep * w[i] - step * up(u[j]);
      w[i] = weight;
      h[i] = down(weight);
    });
  }
}
