// The gelu x Phi(x) on vectors of 16 numbers. The compiler makes three times as many instructions of the loop in
// kernels.cpp, which is what other processors run.
#pragma once
#include "tiles.h"

#if TILES

// Phi from one exponential (Abramowitz and Stegun 7.1.26), accurate to 1e-6.
static inline void gelu_of(__m512 x, __m512* value, __m512* slope) {
  const __m512 one = _mm512_set1_ps(1.0f);
  const __m512 e = exponential(_mm512_mul_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(-0.5f)));
  const __m512 below = _mm512_fmadd_ps(_mm512_abs_ps(x), _mm512_set1_ps(0.231641888f), one);
  __m512 t = _mm512_rcp14_ps(below);
  t = _mm512_mul_ps(t, _mm512_fnmadd_ps(below, t, _mm512_set1_ps(2.0f)));  // one step of Newton
  __m512 p = _mm512_set1_ps(0.5f * 1.061405429f);
  for (float c : {-0.5f * 1.453152027f, 0.5f * 1.421413741f, -0.5f * 0.284496736f, 0.5f * 0.254829592f})
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(c));
  const __m512 tail = _mm512_mul_ps(_mm512_mul_ps(p, t), e);
  const __mmask16 negative = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);
  const __m512 share = _mm512_mask_mov_ps(_mm512_sub_ps(one, tail), negative, tail);
  *value = _mm512_mul_ps(x, share);
  *slope = _mm512_fmadd_ps(_mm512_mul_ps(x, e), _mm512_set1_ps(0.398942280f), share);
}

// Writes the gelu of `count` numbers, or, given gradients, these times its slope.
static bool vector_gelu(const half* x, const half* grad, half* out, int64_t count) {
  at::parallel_for(0, (count + 31) / 32, 1 << 10, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t i = 32 * block;
      alignas(64) half some[32] = {}, given[32] = {}, made[32];
      const bool whole = i + 32 <= count;
      const half *in = x + i, *g = grad ? grad + i : nullptr;
      half* to = out + i;
      if (!whole) {
        std::memcpy(some, in, 2 * (count - i)), in = some, to = made;
        if (g) std::memcpy(given, g, 2 * (count - i)), g = given;
      }
      __m512 values[2], slopes[2];
      for (int h = 0; h < 2; ++h) gelu_of(load_half(in + 16 * h), values + h, slopes + h);
      if (g)
        for (int h = 0; h < 2; ++h) values[h] = _mm512_mul_ps(slopes[h], load_half(g + 16 * h));
      store_half(to, values[0], values[1]);
      if (!whole) std::memcpy(out + i, made, 2 * (count - i));
    }
  });
  return true;
}

#else

static bool vector_gelu(const half*, const half*, half*, int64_t) { return false; }

#endif
