// The recurrence h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t, y_t = sum_n C_t h_t, and its gradient, on the CPU.
//
// One channel at a time: its states are a few registers, so nothing of size batch x length x channels x states is
// written. Every PART tokens the states are kept; from there the gradient computes those of one part once more, which
// stay in the processor's cache at any length.
// Arrays are contiguous: u, delta, y (batch, channel, length); B, C (batch, length, state); A (channel, state).
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace {

constexpr long PART = 512;
constexpr int WIDEST = 16;

// exp in single precision, to 2 units in the last place: 2^n e^r with r within half a step of log 2.
// The polynomial is a minimax fit; written out, the compiler runs it on as many lanes as the processor has.
inline float exponential(float x) {
    const float bounded = x < -87.0f ? -87.0f : (x > 88.0f ? 88.0f : x);
    float shifted = bounded * 1.44269504f + 12582912.0f;  // rounds to an integer, in the lowest bits
    std::int32_t n;
    std::memcpy(&n, &shifted, 4);
    n -= 0x4B400000;
    shifted -= 12582912.0f;
    const float r = (bounded - shifted * 0.693359375f) + shifted * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const std::int32_t bits = (n + 127) << 23;
    float power;
    std::memcpy(&power, &bits, 4);
    const float result = p * power;
    const float finite = x < -87.0f ? 0.0f : result;
    return x > 88.0f ? std::numeric_limits<float>::infinity() : (x == x ? finite : x);
}

// P states of one channel; those beyond `count` are padding whose B and C are zero. `kept` gets the states before every
// part, `states` apart.
template <int P>
void run(const float* u, const float* delta, const float* A, const float* B, const float* C, float* y, float* kept,
         float* last, long length, long states, int count) {
    float a[P] = {}, h[P] = {};
    for (int n = 0; n < count; ++n) a[n] = A[n];
    for (long t = 0; t < length; ++t) {
        if (t % PART == 0)
            for (int n = 0; n < count; ++n) kept[t / PART * states + n] = h[n];
        float b[P] = {}, c[P] = {};
        if (count == P) {
            std::memcpy(b, B + t * states, sizeof b);
            std::memcpy(c, C + t * states, sizeof c);
        } else {
            for (int n = 0; n < count; ++n) b[n] = B[t * states + n], c[n] = C[t * states + n];
        }
        const float step = delta[t], input = step * u[t];
        float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
        for (int n = 0; n < P; ++n) {
            h[n] = exponential(step * a[n]) * h[n] + input * b[n];
            sum += c[n] * h[n];
        }
        y[t] += sum;
    }
    for (int n = 0; n < count; ++n) last[n] = h[n];
}

template <int P>
void run_back(const float* u, const float* delta, const float* A, const float* B, const float* C, const float* kept,
              const float* dy, float* du, float* ddelta, float* dA, float* dB, float* dC, long length, long states,
              int count, float* again) {
    float a[P] = {}, carried[P] = {}, of_A[P] = {};
    for (int n = 0; n < count; ++n) a[n] = A[n];
    for (long first = (length - 1) / PART * PART; first >= 0; first -= PART) {
        const long end = first + PART < length ? first + PART : length;
        // decays and states of this part, once more; in front of them the states before it
        float h[P] = {};
        for (int n = 0; n < count; ++n) h[n] = kept[first / PART * states + n];
        std::memcpy(again + P, h, sizeof h);
        for (long t = first; t < end; ++t) {
            float b[P] = {};
            for (int n = 0; n < count; ++n) b[n] = B[t * states + n];
            const float step = delta[t], input = step * u[t];
            float* decay = again + 2 * P * (t - first + 1);
#pragma omp simd
            for (int n = 0; n < P; ++n) {
                decay[n] = exponential(step * a[n]);
                h[n] = decay[n] * h[n] + input * b[n];
                decay[P + n] = h[n];
            }
        }
        for (long t = end - 1; t >= first; --t) {
            float b[P] = {}, c[P] = {}, of_b[P], of_c[P];
            for (int n = 0; n < count; ++n) b[n] = B[t * states + n], c[n] = C[t * states + n];
            const float* decay = again + 2 * P * (t - first + 1);
            const float* before = decay - P;
            const float step = delta[t], value = u[t], outer = dy[t];
            float by_input = 0.0f, by_decay = 0.0f;
#pragma omp simd reduction(+ : by_input, by_decay)
            for (int n = 0; n < P; ++n) {
                const float g = c[n] * outer + carried[n];
                carried[n] = decay[n] * g;
                const float of_exponent = carried[n] * before[n];
                of_A[n] += of_exponent * step;
                by_decay += of_exponent * a[n];
                by_input += g * b[n];
                of_b[n] = g * step * value;
                of_c[n] = outer * decay[P + n];
            }
            du[t] += by_input * step;
            ddelta[t] += by_input * value + by_decay;
            for (int n = 0; n < count; ++n) dB[t * states + n] += of_b[n], dC[t * states + n] += of_c[n];
        }
    }
    for (int n = 0; n < count; ++n) dA[n] += of_A[n];
}

int rounded(int count) { return count > 8 ? 16 : (count > 4 ? 8 : 4); }

}  // namespace

extern "C" {

// Tokens between states that are kept.
long selective_scan_part() { return PART; }

// y (batch, channel, length) must be zero; kept is (batch, channel, part, state), last (batch, channel, state).
void selective_scan(const float* u, const float* delta, const float* A, const float* B, const float* C, float* y,
                    float* kept, float* last, long batch, long channels, long length, long states, int threads) {
#pragma omp parallel for collapse(2) num_threads(threads) schedule(static)
    for (long i = 0; i < batch; ++i)
        for (long d = 0; d < channels; ++d) {
            const long row = (i * channels + d) * length, parts = (length + PART - 1) / PART;
            for (long first = 0; first < states; first += WIDEST) {
                const int count = states - first < WIDEST ? int(states - first) : WIDEST;
                const auto f = rounded(count) == 16 ? run<16> : (rounded(count) == 8 ? run<8> : run<4>);
                f(u + row, delta + row, A + d * states + first, B + i * length * states + first,
                  C + i * length * states + first, y + row, kept + (i * channels + d) * parts * states + first,
                  last + (i * channels + d) * states + first, length, states, count);
            }
        }
}

// dB and dC are (thread, batch, length, state), dA is (batch, channel, state); all gradients must be zero.
void selective_scan_back(const float* u, const float* delta, const float* A, const float* B, const float* C,
                         const float* kept, const float* dy, float* du, float* ddelta, float* dA, float* dB, float* dC, long batch,
                         long channels, long length, long states, int threads) {
    const long maps = batch * length * states, parts = (length + PART - 1) / PART;
#pragma omp parallel num_threads(threads)
    {
        std::vector<float> again(2 * WIDEST * (PART + 1));
#pragma omp for schedule(static)
        for (long part = 0; part < threads; ++part)  // a thread may be fewer than asked for: parts are not threads
            for (long k = part * batch * channels / threads; k < (part + 1) * batch * channels / threads; ++k) {
                const long i = k / channels, d = k % channels, row = k * length;
                for (long first = 0; first < states; first += WIDEST) {
                    const int count = states - first < WIDEST ? int(states - first) : WIDEST;
                    const long place = i * length * states + first;
                    const auto f =
                        rounded(count) == 16 ? run_back<16> : (rounded(count) == 8 ? run_back<8> : run_back<4>);
                    f(u + row, delta + row, A + d * states + first, B + place, C + place,
                      kept + k * parts * states + first, dy + row, du + row, ddelta + row, dA + k * states + first,
                      dB + part * maps + place, dC + part * maps + place, length, states, count, again.data());
                }
            }
    }
}

}  // extern "C"
