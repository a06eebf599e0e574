internal import Foundation
public import ParleyMarket
internal import ParleyNegotiation
internal import ParleyWire

/// A maker at work: an option chain, what to quote from it, and for how long a quote binds.
public struct Quoting: Sendable {
  /// What to quote and what to answer.
  public let maker: ChainMaker
  /// How long a quote stays firm, in nanoseconds; at most a minute.
  public let quoteLife: Int64
  /// How what is held moves the quotes.
  public var skew = QuoteSkew()
  /// Beyond this much delta in an underlying the operator is told to hedge; `nil` for never.
  public var hedgeThreshold: Double?

  /// Reads a chain, in the form of Deribit's `get_book_summary_by_currency` reply.
  ///
  /// - Throws: ``NodeError/file(_:_:)``.
  public init(chainFile: String, policy: MakerPolicy = MakerPolicy(), quoteLife: Int64 = 2_000_000_000)
    throws(NodeError)
  {
    self.init(maker: ChainMaker(chain: try Self.readChain(chainFile), policy: policy), quoteLife: quoteLife)
  }

  /// Quotes what `maker` says.
  public init(maker: ChainMaker, quoteLife: Int64 = 2_000_000_000) {
    self.maker = maker
    self.quoteLife = quoteLife
  }

  /// Reads a chain file.
  ///
  /// - Throws: ``NodeError/file(_:_:)``.
  public static func readChain(_ path: String) throws(NodeError) -> OptionChain {
    guard let file = FileManager.default.contents(atPath: path) else { throw .file(path, "cannot be read") }
    do {
      return try OptionChain(parsing: [UInt8](file))
    } catch {
      throw .file(path, "is not an option chain: \(error)")
    }
  }

  /// How many lots of what is wanted the maker quotes.
  func lots(for request: QuoteRequest, committed: ExactDecimal) -> Lots {
    maker.lots(of: request.lotsMin...request.lotsMax, request.legs, committed: committed)
  }

  /// What is quoted, for the operator: the chain, its age, and a smile.
  var summary: [String] {
    let chain = maker.pricer.chain
    var lines = [
      "quoting \(chain.summaries.count) options as of \(chain.asOf.iso8601), "
        + "mark IV ± \(maker.policy.spread) points, at most \(maker.policy.maximumAmount) a trade"
    ]
    if !skew.isNone {
      lines.append(
        "skewed by \(skew.pointsPerThousandVega) points per 1,000 vega, \(skew.basisPointsPerDelta) bp per delta")
    }
    let days = chain.expiryDays
    if let day = days.dropFirst(days.count / 2).first {
      lines += VolatilitySmileChart().lines(chain, expiring: day)
    }
    return lines
  }
}

extension MakerRefusal {
  /// The refusal as a Reject carries it (docs/protocol/negotiation.md section 4).
  var fault: Fault {
    let place: UInt8 =
      switch field {
      case .instrument: 103
      case .lots: 106
      case .side: 107
      case .price: 106
      case nil: 0
      }
    return Fault(code, field: place, text)
  }
}
