internal import Foundation
public import ParleyMarket
internal import ParleyNegotiation
internal import ParleyWire

/// A maker at work: a strategy, and for how long its quotes bind.
public struct Quoting: Sendable {
  /// Who decides what to quote and what to answer.
  public let strategy: any QuotingStrategy
  /// Where the marks come from that limits and inventory are held by; `nil` for nowhere.
  public let marks: ChainPricer?
  /// How long a quote stays firm, in nanoseconds; at most a minute.
  public let quoteLife: Int64
  /// Beyond this much delta in an underlying the operator is told to hedge; `nil` for never.
  public var hedgeThreshold: Double?
  /// A strategy in another process decides, and within this many nanoseconds (docs/strategy.md); `nil` for `strategy` itself.
  public var strategyDeadline: Int64?

  /// Reads a chain, in the form of Deribit's `get_book_summary_by_currency` reply.
  ///
  /// - Throws: ``NodeError/file(_:_:)``.
  public init(chainFile: String, policy: MakerPolicy = MakerPolicy(), quoteLife: Int64 = 2_000_000_000)
    throws(NodeError)
  {
    self.init(maker: ChainMaker(chain: try Self.readChain(chainFile), policy: policy), quoteLife: quoteLife)
  }

  /// Quotes what `maker` says, skewed by what is held.
  public init(maker: ChainMaker, skew: QuoteSkew = QuoteSkew(), quoteLife: Int64 = 2_000_000_000) {
    self.init(strategy: ChainStrategy(maker: maker, skew: skew), marks: maker.pricer, quoteLife: quoteLife)
  }

  /// Quotes what `strategy` says.
  public init(strategy: any QuotingStrategy, marks: ChainPricer?, quoteLife: Int64 = 2_000_000_000) {
    self.strategy = strategy
    self.marks = marks
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

  /// What is quoted, for the operator.
  var summary: [String] {
    guard let strategyDeadline else { return strategy.summary }
    return ["quoting what a strategy in another process says within \(strategyDeadline / 1_000_000) ms"]
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
