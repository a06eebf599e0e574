#include "CMath.h"

#include <math.h>

double parley_exp(double x) { return exp(x); }
double parley_log(double x) { return log(x); }
double parley_log1p(double x) { return log1p(x); }
double parley_erfc(double x) { return erfc(x); }
double parley_cbrt(double x) { return cbrt(x); }

double parley_log_rest(double x, double log) { return (double)(logl((long double)x) - (long double)log); }
double parley_log1p_rest(double x, double log) { return (double)(log1pl((long double)x) - (long double)log); }
