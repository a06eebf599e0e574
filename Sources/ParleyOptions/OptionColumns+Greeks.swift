import CMath

extension OptionColumns {
  /// Prices every option, with delta, gamma, vega, theta and rho.
  ///
  /// Four options at a time where the processor has AVX2 (`CMath/Columns.c`); the few that lie outside the range in
  /// which that is exact go through `Black76` one by one. Relative error below 1e-12; of theta with a rate, 1e-12 of
  /// its larger term. Without volatility or time an option on its strike has no Greeks: NaN, with a price of 0.
  ///
  /// - Parameter greeks: Where the results go, sized as needed.
  public func price(into greeks: inout GreekColumns) { price(into: &greeks, plainly: false) }

  /// As `price(into:)`; where `plainly`, without AVX2, as on a processor that has none.
  func price(into greeks: inout GreekColumns, plainly: Bool) {
    greeks.resize(count)
    let outside = unsafe forwards.withUnsafeBufferPointer { forward in
      unsafe strikes.withUnsafeBufferPointer { strike in
        unsafe expiries.withUnsafeBufferPointer { expiry in
          unsafe volatilities.withUnsafeBufferPointer { volatility in
            unsafe rates.withUnsafeBufferPointer { rate in
              unsafe signs.withUnsafeBufferPointer { sign in
                let columns = unsafe parley_option_columns(
                  forward: forward.baseAddress, strike: strike.baseAddress, expiry: expiry.baseAddress,
                  volatility: volatility.baseAddress, rate: rate.baseAddress, sign: sign.baseAddress)
                return unsafe greeks.withColumns {
                  unsafe plainly
                    ? parley_black76_plain(count, columns, $0) : parley_black76(count, columns, $0)
                }
              }
            }
          }
        }
      }
    }
    guard outside > 0 else { return }
    for index in 0..<count where greeks.price[index].isNaN { greeks.set(index, self[index]) }
  }
}

extension GreekColumns {
  fileprivate mutating func withColumns(_ body: (parley_greek_columns) -> Int) -> Int {
    unsafe price.withUnsafeMutableBufferPointer { price in
      unsafe delta.withUnsafeMutableBufferPointer { delta in
        unsafe gamma.withUnsafeMutableBufferPointer { gamma in
          unsafe vega.withUnsafeMutableBufferPointer { vega in
            unsafe theta.withUnsafeMutableBufferPointer { theta in
              unsafe rho.withUnsafeMutableBufferPointer { rho in
                unsafe body(
                  parley_greek_columns(
                    price: price.baseAddress, delta: delta.baseAddress, gamma: gamma.baseAddress,
                    vega: vega.baseAddress, theta: theta.baseAddress, rho: rho.baseAddress))
              }
            }
          }
        }
      }
    }
  }
}
