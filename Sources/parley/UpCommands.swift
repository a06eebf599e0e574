import Foundation
import Parley

extension Option {
  /// What `up` and `maker` share: how a node is reached and whom it lets in.
  static let running: [Option] = [
    .home,
    Option("--listen", "ADDRESS", "HOST:PORT, or fd:N for a listening socket handed down; default the DID's endpoint."),
    Option("--allow", "DID", repeatable: true, "Let this counterparty in. Others are turned away."),
    Option("--allow-anyone", "Let in every DID that proves itself. First contact is then nobody's decision."),
    Option("--interest", "TOPIC", repeatable: true, "Tell peers that this may be asked here by topic: option/BTC."),
    Option("--tls-cert", "FILE", "Certificate chain (PEM) for wss://."),
    Option("--tls-key", "FILE", "Private key (PEM) of that certificate."),
    Option("--tls-ca", "FILE", "Trust these certificates when calling wss:// endpoints, instead of the system's."),
    Option(
      "--witness", "DID", repeatable: true,
      "Call this witness, and take it for offers. A did:peer:4 in its long form the first time."),
    Option("--witness-for", "WHOM", repeatable: true, "Be a witness: for this DID, or for anyone who is let in."),
    .resolverCA, .resolverPrivate,
    Option("--log-level", "LEVEL", "debug, info, warning or error; default info. The log goes to standard error."),
    .passphraseFile, .passphraseEnvironment, .json,
  ]
}

extension Arguments {
  /// The configuration that the shared options describe.
  func nodeConfiguration() throws -> NodeConfiguration {
    let level = try parse("--log-level", "debug, info, warning or error", Log.Level.init(rawValue:)) ?? .info
    var configuration = NodeConfiguration(home: nodeHome, resolver: resolver, log: .standardError(level))
    configuration.listen = try parse("--listen", "HOST:PORT or fd:N", ListenChoice.init(text:))
    guard (self["--tls-cert"] == nil) == (self["--tls-key"] == nil) else {
      throw UsageError("--tls-cert and --tls-key go together")
    }
    let topics = try all("--interest").map { text throws(UsageError) in
      guard let topic = Topic(text) else {
        throw UsageError("--interest takes a topic such as option/BTC, not '\(text)'")
      }
      return topic
    }
    guard let interests = Interests(topics) else {
      throw UsageError("--interest is given at most \(Interests.countLimit) times")
    }
    configuration.interests = interests
    configuration.certificateFile = self["--tls-cert"]
    configuration.privateKeyFile = self["--tls-key"]
    configuration.trustFile = self["--tls-ca"]
    configuration.allowsAnyone = has("--allow-anyone")
    configuration.witnesses = all("--witness")
    for did in configuration.witnesses { _ = try NodeIdentity.parseDID(did) }
    configuration.witnessFor = try witnessAudience()
    for did in all("--allow") { configuration.allowed.insert(try NodeIdentity.parseDID(did)) }
    return configuration
  }

  /// At which time options are priced, where that was said.
  func valuation() throws(UsageError) -> MakerPolicy.Valuation? {
    try parse("--as-of", "chain or now") { ["chain": MakerPolicy.Valuation.asOfChain, "now": .now][$0] }
  }

  private func witnessAudience() throws -> WitnessAudience? {
    let names = all("--witness-for")
    if names.isEmpty { return nil }
    if names.contains("anyone") { return .anyone }
    return .peers(Set(try names.map { try NodeIdentity.parseDID($0).shortForm }))
  }

  /// Starts a node, says that it is ready, and returns when it was told to stop.
  func runNode(_ configuration: NodeConfiguration) async throws {
    let signer = try configuration.home.openSigner(passphrase: passphrase.read())
    let node = try await Node.start(configuration, signer: signer)
    let status = await node.status()
    if has("--json") {
      Terminal.print(status.json.serialized())
    } else {
      for line in status.lines { Terminal.print(line) }
    }
    try node.loop.watch([.interrupt, .terminate]) { _ in Task { await node.stop() } }
    try await node.runUntilStopped()
  }
}

extension Command {
  static let up = Command(
    name: "up", summary: "Run this node: keep its channels open and answer the command line.", positionals: [],
    options: Option.running + [
      Option(
        "--marks", "FILE", "An option chain, in the form of 'maker', that limits on prices and Greeks are held by."),
      Option("--as-of", "WHEN", "chain: price it at its own time. now: at this moment. Default now."),
      Option("--by-hand", "Leave requests for quotes to you: 'parley quotes' shows them, 'parley quote' answers."),
    ],
    notes: "Ctrl-C stops it; nothing acknowledged is lost by any way of stopping it."
  ) { arguments in
    var configuration = try arguments.nodeConfiguration()
    configuration.marksFile = arguments["--marks"]
    if let valuation = try arguments.valuation() { configuration.marksValuation = valuation }
    configuration.quotesByHand = arguments.has("--by-hand")
    try await arguments.runNode(configuration)
  }

  static let maker = Command(
    name: "maker", summary: "Run this node as a market maker that quotes from an option chain.", positionals: [],
    options: [
      Option("--chain", "FILE", "The chain: a reply of Deribit's get_book_summary_by_currency."),
      Option("--spread", "VOLS", "Volatility points added to and taken from the mark IV; default 1."),
      Option("--min-edge", "VOLS", "The least a counter must leave, in volatility points; default 0."),
      Option("--surface", "Quote around an SVI surface fitted to the chain, not around its marks."),
      Option("--skew-vega", "VOLS", "Points off the volatility for each 1,000 of vega held; default 0."),
      Option("--skew-delta", "BP", "Basis points off the forward for each unit of delta held; default 0."),
      Option("--hedge-delta", "UNITS", "Say in the log when more delta than this is held, and what would hedge it."),
      Option("--strategy", "WHO", "chain: this program decides. external: another one, over the control socket."),
      Option("--strategy-deadline", "MS", "How long the other program has for an answer; default 500."),
      Option("--max-amount", "AMOUNT", "The most contracts in one trade; default 10."),
      Option(
        "--as-of", "WHEN",
        "chain: price at the chain's own time. now: at this moment, and refuse old chains. Default now."),
      Option("--quote-life", "SECONDS", "How long a quote stays firm, up to 60; default 2."),
    ] + Option.running,
    notes: "Prices are Black-76 at the chain's mark IV. Every refusal carries a reason."
  ) { arguments in
    guard let path = arguments["--chain"] else { throw UsageError("'maker' needs --chain FILE") }
    var configuration = try arguments.nodeConfiguration()
    var policy = MakerPolicy(valuation: .now)
    func volatilityPoints(_ name: String) throws(UsageError) -> Double? {
      try arguments.parse(name, "volatility points from 0 to 100") {
        Double($0).flatMap { (0...100).contains($0) ? $0 : nil }
      }
    }
    if let spread = try volatilityPoints("--spread") { policy.spread = spread }
    if let edge = try volatilityPoints("--min-edge") { policy.minimumEdge = edge }
    if let amount = try arguments.parse("--max-amount", "an amount", { try? ExactDecimal(parsing: $0) }) {
      policy.maximumAmount = amount
    }
    if let valuation = try arguments.valuation() { policy.valuation = valuation }
    let quoteLife = try arguments.parse("--quote-life", "seconds from 0.1 to 60") {
      Double($0).flatMap { (0.1...60).contains($0) ? Int64($0 * 1_000_000_000) : nil }
    }
    func amount(_ name: String) throws(UsageError) -> Double? {
      try arguments.parse(name, "a number from 0 to 1000000") {
        Double($0).flatMap { (0...1_000_000).contains($0) ? $0 : nil }
      }
    }
    let chain = try Quoting.readChain(path)
    var quoting = Quoting(
      maker: ChainMaker(chain: arguments.has("--surface") ? try chain.fittedToSurface() : chain, policy: policy),
      skew: QuoteSkew(
        pointsPerThousandVega: try amount("--skew-vega") ?? 0, basisPointsPerDelta: try amount("--skew-delta") ?? 0),
      quoteLife: quoteLife ?? 2_000_000_000)
    let deadline = try arguments.parse("--strategy-deadline", "milliseconds from 10 to 10000") {
      Int64($0).flatMap { (10...10_000).contains($0) ? $0 * 1_000_000 : nil }
    }
    let isExternal = try arguments.parse("--strategy", "chain or external") {
      ["chain": false, "external": true][$0]
    }
    if isExternal ?? false { quoting.strategyDeadline = deadline ?? 500_000_000 }
    quoting.hedgeThreshold = try amount("--hedge-delta")
    configuration.quoting = quoting
    try await arguments.runNode(configuration)
  }
}
