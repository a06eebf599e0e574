// What the option benchmarks are held against: the formulas of the textbook in plain C, wrong in the wings.
#pragma once

typedef struct {
  const double *forward, *strike, *expiry, *volatility, *rate, *sign;
} plain_inputs;

typedef struct {
  double *price, *delta, *gamma, *vega, *theta, *rho;
} plain_results;

// Price and five Greeks, one option after the other, with the C library's functions.
void plain_greeks(long count, plain_inputs in, plain_results out);

// The same, four options at a time, with AVX2 and the vector functions of glibc (libmvec).
// Returns 0 and does nothing where there is neither.
int vector_greeks(long count, plain_inputs in, plain_results out);

// The implied volatility by Newton's method on the textbook's price, from the inflection point.
double plain_implied_volatility(double sign, double price, double forward, double strike, double expiry);
