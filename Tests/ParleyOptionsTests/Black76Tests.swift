import ParleyOptions
import Testing

@Suite("Black-76")
struct Black76Tests {
  @Test("a call less a put is worth forward less strike") func parity() throws {
    for strike in [20.0, 80, 99.999, 100, 100.001, 140, 700] {
      for volatility in [0.0, 1e-6, 0.2, 1.5, 20] {
        let call = try Black76(.call, forward: 100, strike: strike, expiry: 0.7, volatility: volatility, rate: 0.04)
        let put = try Black76(.put, forward: 100, strike: strike, expiry: 0.7, volatility: volatility, rate: 0.04)
        let difference = call.undiscountedPrice - put.undiscountedPrice
        #expect(abs(difference - (100 - strike)) <= 2e-14 * max(100, strike))
        #expect(call.price < call.undiscountedPrice || call.price == 0)
      }
    }
  }

  @Test("prices rise with volatility, through every region of the formula") func monotone() throws {
    for strike in [100.0, 100.5, 120, 400, 1e6] {
      var last = -1.0
      for step in 1...4_000 {
        let volatility = Double(step) * 0.002
        let price = try Black76(.call, forward: 100, strike: strike, expiry: 1, volatility: volatility)
          .undiscountedPrice
        #expect(price > last || price == 0 || last > 99.99, "strike \(strike) at \(volatility)")
        last = price
      }
    }
  }

  @Test("Greeks are the slopes of the price") func differences() throws {
    func price(_ forward: Double, _ strike: Double, _ expiry: Double, _ volatility: Double, _ rate: Double) throws
      -> Double
    {
      try Black76(.put, forward: forward, strike: strike, expiry: expiry, volatility: volatility, rate: rate).price
    }
    let (f, k, t, s, r) = (100.0, 108.0, 0.8, 0.45, 0.03)
    let greeks = try #require(
      try Black76(.put, forward: f, strike: k, expiry: t, volatility: s, rate: r).greeks)
    let h = 1e-4
    func close(_ value: Double, _ slope: Double) -> Bool { abs(value - slope) < 1e-5 * max(1, abs(slope)) }
    #expect(close(greeks.delta, try (price(f + h, k, t, s, r) - price(f - h, k, t, s, r)) / (2 * h)))
    #expect(close(greeks.dualDelta, try (price(f, k + h, t, s, r) - price(f, k - h, t, s, r)) / (2 * h)))
    #expect(close(greeks.vega, try (price(f, k, t, s + h, r) - price(f, k, t, s - h, r)) / (2 * h)))
    #expect(close(greeks.theta, try (price(f, k, t - h, s, r) - price(f, k, t + h, s, r)) / (2 * h)))
    #expect(close(greeks.rho, try (price(f, k, t, s, r + h) - price(f, k, t, s, r - h)) / (2 * h)))
  }

  @Test("without time or volatility it is worth its payoff") func limits() throws {
    for (expiry, volatility) in [(0.0, 0.5), (1.0, 0.0)] {
      let inside = try Black76(.put, forward: 90, strike: 100, expiry: expiry, volatility: volatility, rate: 0.1)
      #expect(inside.undiscountedPrice == 10)
      let greeks = try #require(inside.greeks)
      #expect(greeks.delta == -greeks.dualDelta && greeks.delta < -0.9 && greeks.delta >= -1)
      #expect(greeks.gamma == 0 && greeks.vega == 0 && greeks.vanna == 0 && greeks.volga == 0)
      let outside = try Black76(.call, forward: 90, strike: 100, expiry: expiry, volatility: volatility)
      #expect(outside.price == 0 && outside.greeks?.delta == 0)
      let kink = try Black76(.call, forward: 100, strike: 100, expiry: expiry, volatility: volatility)
      #expect(kink.price == 0 && kink.greeks == nil)
    }
  }

  @Test(
    "no number from outside can do more than give an ordinary number",
    arguments: [Double.leastNonzeroMagnitude, 0x1p-1030, 1e-300, 1e-8, 1, 1e8, 1e300, .greatestFiniteMagnitude])
  func extremes(size: Double) throws {
    for other in [Double.leastNonzeroMagnitude, 1e-300, 1, 1e300, .greatestFiniteMagnitude] {
      for volatility in [0, Double.leastNonzeroMagnitude, 1e-160, 0.5, 1e160, .greatestFiniteMagnitude] {
        for expiry in [0, Double.leastNonzeroMagnitude, 1, .greatestFiniteMagnitude] {
          for right in OptionRight.allCases {
            let option = try Black76(
              right, forward: size, strike: other, expiry: expiry, volatility: volatility)
            let bound = right == .call ? size : other
            #expect(
              option.undiscountedPrice >= 0 && option.undiscountedPrice <= bound * (1 + 1e-15),
              "\(option): \(option.undiscountedPrice)")
            if let greeks = option.greeks { #expect(abs(greeks.delta) <= 1) }
            _ = try? Black76.impliedVolatility(
              right, undiscountedPrice: option.undiscountedPrice, forward: size, strike: other, expiry: expiry)
          }
        }
      }
    }
  }

  @Test(
    "refuses what no option can have",
    arguments: [
      (0.0, 1.0, 1.0, 1.0, 0.0, OptionsError.forward(0)),
      (.infinity, 1, 1, 1, 0, .forward(.infinity)),
      (1, -1, 1, 1, 0, .strike(-1)),
      (1, 1, -1, 1, 0, .expiry(-1)),
      (1, 1, 1, -0.1, 0, .volatility(-0.1)),
      (1, 1, 1, 1, .infinity, .rate(.infinity)),
    ])
  func refuses(
    forward: Double, strike: Double, expiry: Double, volatility: Double, rate: Double, error: OptionsError
  ) {
    #expect(throws: error) {
      try Black76(.call, forward: forward, strike: strike, expiry: expiry, volatility: volatility, rate: rate)
    }
  }

  @Test("refuses what is not a number") func notANumber() {
    #expect(throws: OptionsError.self) {
      try Black76(.call, forward: .nan, strike: 1, expiry: 1, volatility: 1)
    }
    #expect(throws: OptionsError.self) {
      try Black76(.call, forward: 1, strike: 1, expiry: .nan, volatility: 1)
    }
  }
}

@Suite("Deribit's Greeks")
struct DeribitGreeksTests {
  @Test("are the plain ones in other units") func units() throws {
    let option = try Black76(.put, forward: 76_000, strike: 70_000, expiry: 0.1, volatility: 0.5)
    let (plain, greeks) = (try #require(option.greeks), try #require(DeribitGreeks(option)))
    #expect(greeks.delta == plain.delta && greeks.gamma == plain.gamma)
    #expect(greeks.vega == plain.vega / 100 && greeks.theta == plain.theta / 365)
    // K T N(-d2) / 100 with the sign of a put.
    #expect(abs(greeks.rho + plain.dualDelta * 70_000 * 0.1 / 100) < 1e-12)
  }

  @Test("an option loses no more in a day than it is worth") func floor() throws {
    let late = try Black76(.call, forward: 2000, strike: 2300, expiry: 0.5 / 365, volatility: 1.8)
    let greeks = try #require(DeribitGreeks(late))
    #expect(greeks.theta == -late.undiscountedPrice)
    let twoDays = try Black76(.call, forward: 244.14, strike: 270, expiry: 1.94 / 365, volatility: 0.7296)
    #expect(try #require(DeribitGreeks(twoDays)).theta == -twoDays.undiscountedPrice)
    let early = try Black76(.call, forward: 2000, strike: 2300, expiry: 30.0 / 365, volatility: 1.8)
    #expect(try #require(DeribitGreeks(early)).theta > -early.undiscountedPrice)
  }

  @Test("take no interest") func rate() throws {
    let with = try Black76(.call, forward: 100, strike: 100, expiry: 1, volatility: 0.5, rate: 0.2)
    let without = try Black76(.call, forward: 100, strike: 100, expiry: 1, volatility: 0.5)
    #expect(DeribitGreeks(with) == DeribitGreeks(without))
  }
}
