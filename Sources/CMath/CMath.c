#include "CMath.h"

#include <math.h>

double parley_exp(double x) { return exp(x); }
double parley_expm1(double x) { return expm1(x); }
double parley_log(double x) { return log(x); }
double parley_log1p(double x) { return log1p(x); }
double parley_erfc(double x) { return erfc(x); }
