"""What QuantLib and py_lets_be_rational make of random options, for the tests of ParleyOptions to compare.

options_witness.py COUNT SEED FILE writes one record of little-endian doubles an option:

    sign, forward, strike, expiry, volatility        of the option, sign +1 for a call
    price, delta, gamma, vega                        by QuantLib's BlackCalculator, discount 1
    price, volatility                                by py_lets_be_rational; the volatility of that price
"""

import math
import random
import struct
import sys

import QuantLib
from py_lets_be_rational import lets_be_rational


def record(chance):
    sign = chance.choice((1, -1))
    forward = math.exp(chance.uniform(math.log(1), math.log(1e5)))
    deviation = math.exp(chance.uniform(math.log(0.01), math.log(3)))
    expiry = math.exp(chance.uniform(math.log(1 / 365), math.log(3)))
    volatility = deviation / math.sqrt(expiry)
    # As far as five deviations out of the money.
    strike = forward * math.exp(sign * chance.uniform(0, 5) * deviation)
    payoff = QuantLib.PlainVanillaPayoff(QuantLib.Option.Call if sign > 0 else QuantLib.Option.Put, strike)
    black = QuantLib.BlackCalculator(payoff, forward, volatility * math.sqrt(expiry), 1.0)
    price = lets_be_rational.black(forward, strike, volatility, expiry, sign)
    implied = lets_be_rational.implied_volatility_from_a_transformed_rational_guess(
        price, forward, strike, expiry, sign
    )
    return (
        sign, forward, strike, expiry, volatility,
        black.value(), black.deltaForward(), black.gammaForward(), black.vega(expiry),
        price, implied,
    )


def main(count, seed, path):
    chance = random.Random(seed)
    with open(path, "wb") as file:
        for _ in range(count):
            file.write(struct.pack("<11d", *record(chance)))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
