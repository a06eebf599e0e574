// The functions of <math.h> that option pricing needs, without the rest of the C library:
// floor 2 may import this and still cannot reach a file, a clock or a socket.
#pragma once

double parley_exp(double x);
double parley_log(double x);
double parley_log1p(double x);
double parley_erfc(double x);

// What rounding took from `log`, a result of parley_log(x) or parley_log1p(x): as much of it as
// long double holds, 11 bits on x86-64 and all that is wanted where it is wider. 0 where it is a double.
double parley_log_rest(double x, double log);
double parley_log1p_rest(double x, double log);
