internal import ParleyIO
internal import ParleyIdentity
internal import ParleyJournal
internal import ParleyMarket
internal import ParleyNegotiation
public import ParleyWire

/// What a receipt proves, for people and programs.
public struct ReceiptReport: Hashable, Sendable {
  /// The verdict: `TRADED`, or why not.
  public let verdict: String
  /// Whether everything in the receipt holds and it proves a trade.
  public let isTraded: Bool
  /// What was checked, and the verdict, line by line.
  public let lines: [String]
  /// The same for programs.
  public let json: JSONValue
}

/// Checks receipts: offline, and without trusting whoever gave them.
public enum ReceiptVerifier {
  /// Checks a receipt file.
  ///
  /// The file proves that the two DIDs' keys signed what it says, and that its issuer's journal held it at the signed
  /// checkpoint. That the keys were a person's is what one knows of the DIDs.
  public static func verify(_ file: [UInt8]) -> ReceiptReport {
    do throws(JournalError) {
      let receipt = try Receipt(decoding: file)
      let verified = try receipt.verify { Receipt.HeldStatement(body: $0) }
      let verdict = DialogueVerifier.verify(
        verified.statements.map(\.statement), verified.issuer, verified.counterparty, stamps: verified.stamps,
        witnesses: verified.witnesses)
      return report(verified, verdict)
    } catch {
      return failed("INVALID: \(error)")
    }
  }

  private static func failed(_ verdict: String, after lines: [String] = []) -> ReceiptReport {
    ReceiptReport(
      verdict: verdict, isTraded: false, lines: lines + [verdict],
      json: ["verified": false, "verdict": .string(verdict)])
  }

  private static func report(_ receipt: VerifiedReceipt, _ verdict: DialogueVerifier.Verdict) -> ReceiptReport {
    let checked = [
      "documents   both are their DIDs' own, and list the keys that signed",
      "checkpoint  signed by \(receipt.issuer.did.string) over \(receipt.checkpoint.size) entries",
      "journal     holds all \(receipt.statements.count) statements, in their order",
    ]
    guard case .traded(let trade) = verdict else { return failed(verdict.sentence, after: checked) }
    let terms = trade.terms
    guard let package = try? Package(listed: terms.legs.map(\.leg)),
      let price = try? package.price(Ticks(terms.net)), let amount = try? package.amount(Lots(terms.lots))
    else { return failed("UNVERIFIABLE: the instrument is not one that this program knows", after: checked) }
    let (buyer, seller) =
      terms.requesterBuys ? (terms.requester, terms.responder) : (terms.responder, terms.requester)
    let digest = Terms.digest(of: terms.encoded).description
    return ReceiptReport(
      verdict: "TRADED", isTraded: true,
      lines: checked + [
        trade.confirm == .zero
          ? "witness     stamped the accept of the terms \(digest.prefix(16))… in time; both sides had signed them"
          : "signatures  both sides signed the terms \(digest.prefix(16))…",
        "TRADED      \(amount) \(package) at \(price) \(package.priceCurrency), \(trade.decided.iso8601)",
        "  buyer     \(buyer)", "  seller    \(seller)",
      ],
      json: [
        "verified": true, "verdict": "TRADED",
        "trade": .string((trade.confirm == .zero ? trade.accept : trade.confirm).description),
        "stamps": .integer(Int64(receipt.stamps.count)),
        "dialogue": .string(trade.dialogue.description), "instrument": .string(package.description),
        "amount": .string(amount.description), "price": .string(price.description), "buyer": .string(buyer),
        "seller": .string(seller), "time": .string(trade.decided.iso8601),
        "timestamp_ns": .integer(trade.decided.rawValue), "terms_digest": .string(digest),
        "issuer": .string(receipt.issuer.did.string),
        "checkpoint_size": .integer(Int64(clamping: receipt.checkpoint.size)),
      ])
  }
}

extension DialogueVerifier.Verdict {
  /// The verdict in one line.
  fileprivate var sentence: String {
    switch self {
    case .traded: "TRADED"
    case .notTraded: "NOT_TRADED: every accept was declined"
    case .inDoubt(let accept): "IN_DOUBT: the accept \(accept) has no verdict here"
    case .noAccept: "NO_ACCEPT: nobody accepted"
    case .breach(let owner, let accept, let code): "BREACH: \(owner) declined \(accept) with \(code) though bound to it"
    case .equivocation(let signer): "EQUIVOCATION: \(signer) signed statements that exclude each other"
    case .invalid(let step, let id): "INVALID(\(step.rawValue) \(step)): statement \(id?.description ?? "?")"
    case .unverifiable(let missing): "UNVERIFIABLE: missing \(missing)"
    }
  }
}
