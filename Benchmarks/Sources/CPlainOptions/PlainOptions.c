#include "CPlainOptions.h"

#include <math.h>

static double cumulative(double d) { return 0.5 * erfc(-d * M_SQRT1_2); }
static double density(double d) { return 0.3989422804014327 * exp(-0.5 * d * d); }

void plain_greeks(long count, plain_inputs in, plain_results out) {
  for (long i = 0; i < count; i++) {
    double f = in.forward[i], k = in.strike[i], t = in.expiry[i], s = in.volatility[i], r = in.rate[i];
    double sign = in.sign[i], root = sqrt(t), d1 = log(f / k) / (s * root) + 0.5 * s * root;
    double discount = exp(-r * t), n = discount * density(d1), up = cumulative(sign * d1);
    double price = discount * sign * (f * up - k * cumulative(sign * (d1 - s * root)));
    out.price[i] = price;
    out.delta[i] = discount * sign * up;
    out.gamma[i] = n / (f * s * root);
    out.vega[i] = f * n * root;
    out.theta[i] = r * price - f * n * s / (2 * root);
    out.rho[i] = -t * price;
  }
}

#if defined(__x86_64__) && defined(__GLIBC__)
#define VECTORS __attribute__((target("avx2,fma")))
typedef double four __attribute__((vector_size(32)));
typedef double four_anywhere __attribute__((vector_size(32), aligned(8)));

VECTORS four _ZGVdN4v_exp(four);
VECTORS four _ZGVdN4v_log(four);
VECTORS four _ZGVdN4v_erf(four);

#define LOAD(column) (*(const four_anywhere *)(column + i))
#define STORE(column, value) (*(four_anywhere *)(column + i) = (value))

VECTORS static void greeks_of_four(long i, plain_inputs in, plain_results out) {
  four f = LOAD(in.forward), k = LOAD(in.strike), t = LOAD(in.expiry), s = LOAD(in.volatility);
  four r = LOAD(in.rate), sign = LOAD(in.sign);
  four root = __builtin_elementwise_sqrt(t), deviation = s * root;
  four d1 = _ZGVdN4v_log(f / k) / deviation + 0.5 * deviation, d2 = d1 - deviation;
  four discount = _ZGVdN4v_exp(-r * t);
  four n = 0.3989422804014327 * discount * _ZGVdN4v_exp(-0.5 * d1 * d1);
  four up = 0.5 + 0.5 * _ZGVdN4v_erf(sign * d1 * M_SQRT1_2);
  four price = discount * sign * (f * up - k * (0.5 + 0.5 * _ZGVdN4v_erf(sign * d2 * M_SQRT1_2)));
  STORE(out.price, price);
  STORE(out.delta, discount * sign * up);
  STORE(out.gamma, n / (f * deviation));
  STORE(out.vega, f * n * root);
  STORE(out.theta, r * price - f * n * s / (2 * root));
  STORE(out.rho, -t * price);
}

int vector_greeks(long count, plain_inputs in, plain_results out) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || count % 4 != 0) return 0;
  for (long i = 0; i < count; i += 4) greeks_of_four(i, in, out);
  return 1;
}
#else
int vector_greeks(long count, plain_inputs in, plain_results out) { return 0; }
#endif

double plain_implied_volatility(double sign, double price, double forward, double strike, double expiry) {
  double x = log(forward / strike), s = sqrt(2 * fabs(x)) + 1e-8;
  for (int i = 0; i < 100; i++) {
    double d1 = x / s + 0.5 * s;
    double value = sign * (forward * cumulative(sign * d1) - strike * cumulative(sign * (d1 - s)));
    double step = (price - value) / (forward * density(d1));
    s += step;
    if (fabs(step) <= 1e-14 * s) break;
  }
  return s / sqrt(expiry);
}
