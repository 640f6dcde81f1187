// What the kernels share: bfloat16, and the tiles of the processor's matrix unit (AMX).
//
// A tile has 16 rows of 64 bytes. A product takes 16 rows of 32 numbers of the left factor as they are, and 32 rows of
// 16 numbers of the right factor with rows in pairs, and adds 16 x 16 sums in single precision.
#pragma once
#include <torch/extension.h>

#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__AMX_BF16__) && defined(__AVX512BF16__) && defined(__linux__)
#define TILES 1
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#define TILES 0
#endif

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

#if TILES

// Linux grants the matrix unit's registers on request.
static bool tiles_usable() {
  static const bool granted = syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18) == 0;
  return granted;
}

// All eight tiles as 16 rows of 64 bytes; what was set before (by PyTorch's library) is put back.
class Tiles {
 public:
  Tiles() {
    _tile_storeconfig(before_);
    alignas(64) uint8_t config[64] = {1};
    for (int i = 0; i < 8; ++i) config[16 + 2 * i] = 64, config[48 + i] = 16;
    _tile_loadconfig(config);
  }
  ~Tiles() {
    if (before_[0]) _tile_loadconfig(before_);
    else _tile_release();
  }

 private:
  alignas(64) uint8_t before_[64];
};

static inline half* tile_data(const Tensor& x) {
  TORCH_CHECK(x.is_contiguous() && x.scalar_type() == at::kBFloat16, "expected contiguous bfloat16");
  return reinterpret_cast<half*>(x.data_ptr<at::BFloat16>());
}

static inline __m512 exponential(__m512 x) {  // of numbers up to 0, accurate to 2e-7
  x = _mm512_max_ps(x, _mm512_set1_ps(-87.0f));
  const __m512 whole = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 8);
  __m512 r = _mm512_fnmadd_ps(whole, _mm512_set1_ps(0.693145752f), x);
  r = _mm512_fnmadd_ps(whole, _mm512_set1_ps(1.42860677e-6f), r);
  __m512 p = _mm512_set1_ps(1.0f / 720);
  for (float c : {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(c));
  return _mm512_scalef_ps(p, whole);
}

static inline void store_half(half* at, __m512 first, __m512 second) {
  _mm512_storeu_si512(at, (__m512i)_mm512_cvtne2ps_pbh(second, first));
}

static inline __m512 load_half(const half* at) {
  return _mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)at)), 16));
}

// 16 x 16 numbers of 32 bits: rows become columns.
static inline void transpose(const void* from, int64_t stride, void* to, int64_t to_stride) {
  __m512i r[16], t[16];
  for (int i = 0; i < 16; ++i) r[i] = _mm512_loadu_si512((const char*)from + i * stride);
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
  for (int i = 0; i < 16; ++i) _mm512_storeu_si512((char*)to + i * to_stride, r[i]);
}

// The right factor of a product wants pairs of its rows side by side: 32 numbers of two rows become 2 x 16 pairs.
static inline void pair(__m512i even, __m512i odd, half* low, half* high) {
  const auto mix = [](__m256i a, __m256i b) {
    return _mm512_or_si512(_mm512_cvtepu16_epi32(a), _mm512_slli_epi32(_mm512_cvtepu16_epi32(b), 16));
  };
  _mm512_storeu_si512(low, mix(_mm512_castsi512_si256(even), _mm512_castsi512_si256(odd)));
  _mm512_storeu_si512(high, mix(_mm512_extracti64x4_epi64(even, 1), _mm512_extracti64x4_epi64(odd, 1)));
}

// Aligned memory of a thread, handed out piece by piece.
struct Buffers {
  std::vector<uint8_t> bytes;
  uint8_t* next;

  explicit Buffers(int64_t size) : bytes(size + 4096) { next = (uint8_t*)(((uintptr_t)bytes.data() + 63) / 64 * 64); }

  template <class T>
  T* take(int64_t count) {
    T* at = (T*)next;
    next += (count * sizeof(T) + 63) / 64 * 64;
    return at;
  }
};

#else

static bool tiles_usable() { return false; }

#endif
