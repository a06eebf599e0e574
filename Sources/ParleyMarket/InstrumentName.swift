/// What kind of option: the letter at the end of its name.
public enum OptionType: String, Hashable, Sendable, CaseIterable {
  /// The right to buy.
  case call = "C"
  /// The right to sell.
  case put = "P"
}

/// The name of an instrument, in Deribit's naming.
///
///     name     = market "-" ( "PERPETUAL" / day / day "-" strike "-" ( "C" / "P" ) )
///     market   = currency [ "_" currency ]      ; BTC, or linear: XRP_USDC
///     currency = 1*8( "A"-"Z" / "0"-"9" )
///     day      = day of the month without leading zero, JAN to DEC, two digits of the year: 2MAY26, 27NOV26
///     strike   = positive decimal without needless zeros, "d" for its point: 100000, 0d625
///
/// One instrument has one name: whatever parses is written back byte for byte.
public struct InstrumentName: Hashable, Sendable {
  /// What the name says about the contract.
  public enum Contract: Hashable, Sendable {
    /// A European option.
    case option(expiry: CivilDate, strike: ExactDecimal, type: OptionType)
    /// A future.
    case future(expiry: CivilDate)
    /// A future without an end.
    case perpetual
  }

  /// The first part: the currency, or both joined by "_" where the contract is linear.
  public let market: String
  /// The rest.
  public let contract: Contract

  /// The most bytes that a name may have.
  public static let byteLimit = 64

  /// Reads a name.
  ///
  /// - Throws: `MarketError.unsupportedName` for a combination or a spot pair, else `MarketError.malformedName`.
  public init(parsing text: String) throws(MarketError) {
    let malformed = MarketError.malformedName(MarketError.clipped(text))
    guard text.utf8.count <= Self.byteLimit else { throw malformed }
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard let market = parts.first, Self.isMarket(market) else { throw malformed }
    switch parts.count {
    case 1 where market.contains("_"):
      throw .unsupportedName(text)
    case 2 where parts[1] == "PERPETUAL":
      contract = .perpetual
    case 2:
      guard let expiry = CivilDate(deribit: parts[1]) else { throw malformed }
      contract = .future(expiry: expiry)
    case 4 where CivilDate(deribit: parts[1]) != nil:
      guard let expiry = CivilDate(deribit: parts[1]), let strike = Self.strike(parts[2]),
        let type = OptionType(rawValue: String(parts[3]))
      else { throw malformed }
      contract = .option(expiry: expiry, strike: strike, type: type)
    case 3...4:
      guard Self.isCombination(parts) else { throw malformed }
      throw .unsupportedName(text)
    default:
      throw malformed
    }
    self.market = String(market)
  }

  /// Names an option.
  ///
  /// - Parameters:
  ///   - market: The first part of the name.
  ///   - expiry: The expiry day.
  ///   - strike: The strike; positive.
  ///   - type: Call or put.
  /// - Throws: `MarketError.malformedName` for what would not parse.
  public init(
    option market: String, expiry: CivilDate, strike: ExactDecimal, type: OptionType
  ) throws(MarketError) {
    try self.init(parsing: "\(market)-\(expiry.deribit)-\(Self.text(ofStrike: strike))-\(type.rawValue)")
  }

  /// The name as text.
  public var text: String {
    switch contract {
    case .option(let expiry, let strike, let type):
      "\(market)-\(expiry.deribit)-\(Self.text(ofStrike: strike))-\(type.rawValue)"
    case .future(let expiry): "\(market)-\(expiry.deribit)"
    case .perpetual: "\(market)-PERPETUAL"
    }
  }

  /// The day of expiry; `nil` for a perpetual.
  public var expiryDay: CivilDate? {
    switch contract {
    case .option(let expiry, _, _), .future(let expiry): expiry
    case .perpetual: nil
    }
  }

  private static func isMarket(_ text: Substring) -> Bool {
    let currencies = text.split(separator: "_", omittingEmptySubsequences: false)
    return currencies.count <= 2 && currencies.allSatisfy { (1...8).contains($0.utf8.count) && isPlain($0) }
  }

  private static func isPlain(_ text: Substring) -> Bool {
    text.utf8.allSatisfy { byte in
      (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
  }

  /// `BTC-CS-19MAY26-70000_75000`, `BTC-FS-19MAY26_PERP`.
  private static func isCombination(_ parts: [Substring]) -> Bool {
    (2...5).contains(parts[1].utf8.count) && isPlain(parts[1])
      && parts[2...].allSatisfy { part in
        !part.isEmpty
          && part.split(separator: "_", omittingEmptySubsequences: false).allSatisfy {
            !$0.isEmpty
              && $0.utf8.allSatisfy { $0 == UInt8(ascii: "d") || isPlain(Substring(decoding: [$0], as: UTF8.self)) }
          }
      }
  }

  private static func strike(_ text: Substring) -> ExactDecimal? {
    guard !text.contains(".") else { return nil }
    let decimal = text.split(separator: "d", maxSplits: 1, omittingEmptySubsequences: false).joined(separator: ".")
    guard let strike = try? ExactDecimal(parsing: decimal), strike > .zero, Self.text(ofStrike: strike) == text
    else { return nil }
    return strike
  }

  private static func text(ofStrike strike: ExactDecimal) -> String {
    strike.description.split(separator: ".").joined(separator: "d")
  }
}

extension InstrumentName: CustomStringConvertible {
  /// The name as text.
  public var description: String { text }
}
