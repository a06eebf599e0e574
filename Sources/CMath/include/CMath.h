// The functions of <math.h> that option pricing needs, without the rest of the C library:
// floor 2 may import this and still cannot reach a file, a clock or a socket.
#pragma once

double parley_exp(double x);
double parley_log(double x);
double parley_log1p(double x);
double parley_erfc(double x);
double parley_cbrt(double x);

// What rounding took from `log`, a result of parley_log(x) or parley_log1p(x): as much of it as
// long double holds, 11 bits on x86-64 and all that is wanted where it is wider. 0 where it is a double.
double parley_log_rest(double x, double log);
double parley_log1p_rest(double x, double log);

// The Mills ratio (1 - N(z)) / n(z) of the standard normal distribution, for 0 <= z <= 1e25.
//
// A quotient of two polynomials with positive coefficients only, so that nothing cancels: each is within a few units in
// the last place. It interpolates the function (60 digits) at the Chebyshev nodes of (z - 3) / (z + 3); between them it
// is off by at most 5.8e-17 of its value. Of degree 10 over 11, since z R(z) tends to 1.
static inline double parley_mills(double z) {
  // By pairs, after Estrin: a third of the latency of Horner's rule, and with one sign as exact.
  double z2 = z * z, z4 = z2 * z2, z8 = z4 * z4;
  double p0 = (2692471.2290262235348 * z + 1572322.3658081307726) + (1233069.8679089353648 * z + 2277476.3597025216353) * z2;
  double p4 = (130742.68733061276642 * z + 469356.59012287963206) + (4076.4956124144346464 * z + 26971.497787675533084) * z2;
  double p8 = (29.635356725047147331 * z + 434.00881899675055616) + z2;
  double q0 = (3149252.7306551689235 * z + 1254531.7402833426207) + (2697155.4984375694518 * z + 3702637.4867144947182) * z2;
  double q4 = (495470.06960604278421 * z + 1355955.9401153979074) + (27403.50660651411045 * z + 134759.91224275832651) * z2;
  double q8 = (435.00881899674819262 * z + 4106.1309691404671163) + (z + 29.635356725047148235) * z2;
  return (p0 + p4 * z4 + p8 * z8) / (q0 + q4 * z4 + q8 * z8);
}

// Black-76 over columns: prices, undiscounted and not, and five Greeks of `count` options, four at a time where the
// processor has AVX2. C, since Swift compiles no function for a newer processor than the rest of the program.
//
// In: positive forwards, strikes, expiries in years, volatilities and continuously compounded rates a year, and +1 for
// a call, -1 for a put. Out: in the units of `Greeks` (theta a year, vega and rho per 1.00). No two columns overlap.
//
// A row outside the plain range has NaN as its price, and is for another to compute. The plain range: forward and
// strike of 1e-100 to 1e100, 0.01 <= σ√T <= 8, d1 of the out-of-the-money option of the strike >= -12.
// Returns how many rows are outside.
typedef struct {
  const double *forward, *strike, *expiry, *volatility, *rate, *sign;
} parley_option_columns;

typedef struct {
  double *price, *delta, *gamma, *vega, *theta, *rho;
} parley_greek_columns;

long parley_black76(long count, parley_option_columns in, parley_greek_columns out);
// The same without AVX2, which other processors take.
long parley_black76_plain(long count, parley_option_columns in, parley_greek_columns out);
