// The functions of <math.h> that option pricing needs, without the rest of the C library:
// floor 2 may import this and still cannot reach a file, a clock or a socket.
#pragma once

double parley_exp(double x);
double parley_expm1(double x);
double parley_log(double x);
double parley_log1p(double x);
double parley_erfc(double x);
