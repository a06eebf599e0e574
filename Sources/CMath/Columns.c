#include "CMath.h"

#include <string.h>

// Everything below is free of branches and calls, so that the compiler turns the loop at the end into vectors.
#define INLINE static inline __attribute__((always_inline))

INLINE unsigned long bits(double x) {
  unsigned long u;
  memcpy(&u, &x, sizeof u);
  return u;
}

INLINE double from_bits(unsigned long u) {
  double x;
  memcpy(&x, &u, sizeof x);
  return x;
}

// 2^k for -1022 <= k <= 1023, where `biased` is k + 1023.
INLINE double power_of_two(unsigned long biased) { return from_bits(biased << 52); }

// ln(low / high), for 0 < low <= high: 2 artanh((2^k low - high) / (2^k low + high)) - k ln 2, with the k that brings
// the quotient nearest to 1. Near the money k is 0 and the difference exact, so the relative error stays small.
// The polynomial interpolates artanh(f)/f - 1 over f², to 9e-19.
INLINE double log_ratio(double low, double high) {
  // The difference of the bit patterns is 2^52 log2(high / low), but for at most 0.09 of 2^52.
  unsigned long k = (bits(high) - bits(low) + (1ul << 51)) >> 52;
  double scaled = low * power_of_two(k + 1023);
  double f = (scaled - high) / (scaled + high);
  double w = f * f;
  double p = 0.068650245033322001949;
  p = p * w + 0.06596737793284887246;
  p = p * w + 0.076948591318209435935;
  p = p * w + 0.090908578412899843443;
  p = p * w + 0.11111111668310173803;
  p = p * w + 0.14285714282745327551;
  p = p * w + 0.2000000000000601783;
  p = p * w + 0.33333333333333331335;
  // k as a double: its bits under those of 2^52.
  double turns = from_bits(k | 0x4330000000000000ul) - 0x1p52;
  double rest = 2 * f * w * p - turns * 5.4979230187083711747e-14;
  return rest + 2 * f - turns * 0x1.62e42fefa3800p-1;
}

// e^x for |x| <= 700: 2^k (1 + r + r² p(r)), with r at most half of ln 2; p interpolates, to 1.2e-17.
INLINE double exponential(double x) {
  const double shift = 0x1.8p52;
  double k = x * 1.4426950408889634074 + shift;
  unsigned long scale = bits(k);
  k -= shift;
  double r = x - k * 0x1.62e42fefa3800p-1 - k * 5.4979230187083711747e-14;
  double p = 2.5100424157005066788e-8;
  p = p * r + 2.7620138719733995569e-7;
  p = p * r + 2.7557268378684192873e-6;
  p = p * r + 0.000024801521190217727651;
  p = p * r + 0.00019841269863105968748;
  p = p * r + 0.0013888888917281793308;
  p = p * r + 0.0083333333333300513464;
  p = p * r + 0.041666666666623991516;
  p = p * r + 0.16666666666666667456;
  p = p * r + 0.50000000000000010262;
  return (1 + (r + r * r * p)) * power_of_two(scale + 1023);
}

INLINE double least(double a, double b) { return a < b ? a : b; }
INLINE double most(double a, double b) { return a > b ? a : b; }

// One option. The out-of-the-money one of the pair is a call on `low` struck at `high`; parity gives the other.
INLINE long row(long i, const parley_option_columns *in, const parley_greek_columns *out) {
  double forward = in->forward[i], strike = in->strike[i], expiry = in->expiry[i];
  double volatility = in->volatility[i], rate = in->rate[i], sign = in->sign[i];
  double low = least(forward, strike), high = most(forward, strike);
  double root = __builtin_elementwise_sqrt(expiry);
  double deviation = volatility * root;
  // One division for both quotients.
  double both = 1 / (deviation * forward);
  double per_deviation = both * forward, per_forward = both * deviation;
  double h = log_ratio(low, high) * per_deviation;
  double d1 = h + 0.5 * deviation, d2 = h - 0.5 * deviation;

  // Written with & and comparisons that NaN fails.
  int plain = (low >= 1e-100) & (high <= 1e100) & (deviation >= 0.01) & (deviation <= 8) & (d1 >= -12) &
              (expiry <= 1e4) & (rate * expiry <= 100) & (rate * expiry >= -100);
  double bounded = most(d1, -12);
  double density = 0.398942280401432677939946 * exponential(-0.5 * bounded * bounded);
  double mills1 = parley_mills(most(bounded, -bounded)), mills2 = parley_mills(-d2);
  double discount = exponential(-most(least(rate * expiry, 100), -100));

  double tail1 = density * mills1;
  double otm = d1 > 0 ? 1 - density * (mills1 + mills2) : density * (mills1 - mills2);
  double intrinsic = most(sign * (forward - strike), 0);
  double price = discount * (intrinsic + low * otm);

  // N(d1) and N(-d1) of the option itself, each without cancellation where it is small.
  double above = d1 > 0 ? 1 - tail1 : tail1, below = d1 > 0 ? tail1 : 1 - tail1;
  // With the strike below the forward its d1 is -d2 here, and n(d2) high = n(d1) low.
  double tail2 = density * (low * per_forward) * mills2;
  int is_low = forward <= strike;
  double up = is_low ? above : 1 - tail2, down = is_low ? below : tail2;

  double money_density = discount * low * density;
  double gamma = money_density * per_deviation * per_forward * per_forward;
  out->price[i] = plain ? price : __builtin_nan("");
  out->delta[i] = discount * (sign > 0 ? up : -down);
  out->gamma[i] = gamma;
  out->vega[i] = money_density * root;
  out->theta[i] = rate * price - 0.5 * money_density * volatility * volatility * per_deviation;
  out->rho[i] = -expiry * price;
  return plain ? 0 : 1;
}

#define LOOP                                                                   \
  const double *restrict forward = in.forward, *restrict strike = in.strike;   \
  const double *restrict expiry = in.expiry;                                   \
  const double *restrict volatility = in.volatility;                           \
  const double *restrict rate = in.rate, *restrict sign = in.sign;             \
  double *restrict price = out.price, *restrict delta = out.delta;             \
  double *restrict gamma = out.gamma, *restrict vega = out.vega;               \
  double *restrict theta = out.theta, *restrict rho = out.rho;                 \
  const parley_option_columns from = {forward, strike, expiry, volatility, rate, sign}; \
  const parley_greek_columns to = {price, delta, gamma, vega, theta, rho};     \
  long outside = 0;                                                            \
  _Pragma("clang loop vectorize(enable) interleave(disable)")                  \
  for (long i = 0; i < count; i++) outside += row(i, &from, &to);              \
  return outside;

long parley_black76_plain(long count, parley_option_columns in, parley_greek_columns out) { LOOP }

#if defined(__x86_64__)
__attribute__((target("avx2,fma")))
static long black76_avx2(long count, parley_option_columns in, parley_greek_columns out) { LOOP }

long parley_black76(long count, parley_option_columns in, parley_greek_columns out) {
  // The compiler's runtime looked when the program began.
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? black76_avx2(count, in, out)
                                                                         : parley_black76_plain(count, in, out);
}
#else
long parley_black76(long count, parley_option_columns in, parley_greek_columns out) {
  return parley_black76_plain(count, in, out);
}
#endif
