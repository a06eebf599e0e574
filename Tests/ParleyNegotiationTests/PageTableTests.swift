import Foundation
import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyNegotiation

/// The message table as the page has it (docs/protocol/negotiation.md section 7): every row, in every phase, of both
/// roles, answered as its cell says. A row for which there is no message here fails.
@Suite("The message table of the page")
struct PageTableTests {
  typealias Phase = MessageTableTests.Phase

  /// A script opposite a session of either role, brought into a phase.
  final class Place {
    let script: Script
    let dialogue: DialogueID
    /// The session's role.
    let role: Role
    /// The script's live offer.
    private(set) var offer: Statement?
    /// The session's Accept.
    private(set) var accept: Statement?
    /// The session's Confirm.
    private(set) var confirm: Statement?

    /// - Parameter confirms: In T: whether the session confirmed the script's Accept, and not the other way round.
    init(_ phase: Phase, _ role: Role, confirms: Bool = false) throws {
      self.role = role
      let nonce = [UInt8](repeating: 3, count: 16)
      script = Script(
        role == .requester ? Traders.maker : Traders.taker, to: role == .requester ? Traders.taker : Traders.maker)
      let peer = script.peer
      if role == .requester {
        dialogue = DialogueID(requester: script.peerID, responder: script.id, nonce: nonce)
        if phase == .none { return }
        peer.take(try peer.session.requestQuote(Samples.request(), nonce: nonce, now: script.now))
        script.hear()
        try makeOffer()
      } else {
        let (request, id) = script.request(3)
        dialogue = id
        if phase == .none { return }
        script.say(.quoteRequest(request), in: id, expiry: script.now + .seconds(60))
        peer.take(try peer.session.quote(dialogue, Samples.twoWay(), now: script.now))
        script.hear()
        try makeOffer()
      }
      switch phase {
      case .none, .open: break
      case .closed: script.say(.pass(Pass(code: .none)), in: dialogue)
      case .traded where confirms:
        if role == .requester {
          peer.take(try peer.session.counter(dialogue, Samples.twoWay(bid: 97, ask: 103), now: script.now))
          script.hear()
        }
        let live = try #require(peer.session.dialogue(dialogue)?.myOffer)
        script.say(.accept(script.accept(live, in: dialogue)), in: dialogue)
        confirm = script.heard.last
      case .pending, .traded:
        let live = try #require(offer)
        peer.take(try peer.session.accept(dialogue, offer: live.id, side: .buy, lots: 3, now: script.now))
        script.hear()
        accept = script.heard.last
        if phase == .traded { script.say(.confirm(script.confirm(accept!)), in: dialogue) }
      }
    }

    private func makeOffer() throws {
      let payload: Payload =
        role == .requester ? .quote(script.offer()) : .counter(script.offer(round: 1))
      let statement = script.statement(payload, in: dialogue)
      #expect(script.say(statement) == .nothing)
      offer = statement
    }

    var phase: Phase {
      switch script.peer.session.dialogue(dialogue)?.phase {
      case nil: .none
      case .open: .open
      case .acceptInDoubt: .pending
      case .traded: .traded
      case .closed: .closed
      }
    }

    /// The session's Accept as its owner holds it, or one that it has signed and lost.
    func acceptOrLost(by key: LocalSigner? = nil) -> Statement {
      if let accept {
        return key == nil ? accept : Statement(header: accept.header, payload: accept.payload, signer: key!)
      }
      let content = Accept(offer: offer?.id ?? Samples.spec, side: .buy, lots: 1, terms: [1])
      let me = script.peer.signer
      return script.statement(.accept(content), in: dialogue, by: key ?? me) {
        ($0.from, $0.to) = ($0.to, $0.from)
        $0.fromKey = me.identity.keyFragment
        $0.docHash = Hash256(me.identity.documentHash)!
      }
    }
  }

  /// One or more messages a row of the table.
  static let messages: [String: [@Sendable (Place) -> Payload]] = [
    "QuoteRequest": [{ .quoteRequest($0.script.request(3).0) }],
    "Quote": [
      { .quote($0.script.offer(round: 0, replaces: $0.offer?.id ?? .zero)) }
    ],
    "Counter": [{ .counter($0.script.offer(round: 2, replaces: $0.offer?.id ?? .zero)) }],
    "Accept": [
      { _ in .accept(Accept(offer: Samples.spec, side: .buy, lots: 1, terms: [1])) },
      { place in
        let live = place.script.peer.session.dialogue(place.dialogue)?.myOffer
        return live.map { .accept(place.script.accept($0, in: place.dialogue)) }
          ?? .accept(Accept(offer: Samples.spec, side: .buy, lots: 1, terms: [1]))
      },
    ],
    "Confirm": [
      { .confirm($0.script.confirm($0.acceptOrLost())) },
      { .confirm($0.script.confirm($0.acceptOrLost(by: Traders.stranger))) },
    ],
    "Decline": [
      { .decline($0.script.decline($0.accept?.id ?? Samples.spec)) },
      { .decline($0.script.decline(Samples.spec)) },
    ],
    "QuoteCancel": [
      { .quoteCancel(QuoteCancel(offer: $0.offer?.id ?? .zero, code: .none)) },
      { _ in .quoteCancel(QuoteCancel(offer: Samples.spec, code: .none)) },
    ],
    // The stages have no Accept in look: LookTests have.
    "Withdraw": [
      { _ in .withdraw(Withdraw(accept: Samples.spec, code: .none)) },
      { .withdraw(Withdraw(accept: $0.accept?.id ?? Samples.spec, code: .none)) },
    ],
    "Pass": [{ _ in .pass(Pass(code: .price)) }],
    "Reject": [
      { place in
        let request = place.script.peer.session.dialogue(place.dialogue)?.requestID ?? .zero
        return .reject(Reject(target: request, code: .policy, field: 0, text: ""))
      },
      { _ in .reject(Reject(target: Samples.spec, code: .policy, field: 0, text: "")) },
    ],
    "TradeAck": [
      { _ in .tradeAck(TradeAck(confirm: Samples.spec)) },
      { .tradeAck(TradeAck(confirm: $0.confirm?.id ?? Samples.spec)) },
    ],
    "Incarnation": [{ _ in .incarnation(PageTableTests.incarnation) }],
    "MassCancel": [{ _ in .massCancel(MassCancel(code: .none)) }],
  ]

  private static let incarnation = Incarnation(
    old: [UInt8](repeating: 1, count: 16), peerOld: [UInt8](repeating: 1, count: 16),
    new: [UInt8](repeating: 2, count: 16), peerNew: [UInt8](repeating: 2, count: 16), sent: 0, sentHistory: .zero,
    received: 0, receivedHistory: .zero)

  /// The rows of the table: the messages, and a cell for each phase with what "as O" and "as N" stand for.
  static func rows() throws -> [(messages: [String], cells: [String])] {
    let page = try String(
      contentsOf: SharedVectors.root.appending(path: "docs/protocol/negotiation.md"), encoding: .utf8)
    let lines = page.components(separatedBy: "\n")
    let start = try #require(lines.firstIndex { $0.hasPrefix("| message | N | O | P | T | C |") })
    return lines[(start + 2)...].prefix { $0.hasPrefix("|") }.map { line in
      var cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      let name = cells.removeFirst()
      let names = name.replacing(" (dialogue 0)", with: "").components(separatedBy: ", ")
      for index in cells.indices {
        if cells[index].contains("as O"), index != 1 { cells[index] += "; " + cells[1] }
        if cells[index].contains("as N"), index != 0 { cells[index] += "; " + cells[0] }
      }
      return (names, cells)
    }
  }

  /// Whether a cell allows an answer: it names the code, or says that there is an effect.
  static func allows(_ cell: String, _ answer: Script.Answer, _ message: String, _ role: Role) -> Bool {
    let isOffer = message == "Quote" || message == "Counter"
    let isOfOwnRole = (message == "Quote") == (role == .responder)
    switch answer {
    case .reject(.role): return isOffer && isOfOwnRole
    // Which fault of several answers is the order of the checks, which other tests go through.
    case .reject(.chain): return message == "QuoteRequest"
    case .reject(let code): return words(cell).contains("R \(code)") || isListed(code, "R ", cell)
    case .decline(let code): return isListed(code, "D ", cell) || cell.contains("by slot")
    case .freeze(let code): return cell.contains("\(code)")
    case .confirm: return cell.contains("by slot")
    case .tradeAck: return cell.contains("TradeAck")
    case .nothing: return !["R ", "D ", "freeze"].contains { cell.hasPrefix($0) }
    case .close: return false
    }
  }

  private static func words(_ cell: String) -> [String] {
    cell.components(separatedBy: CharacterSet(charactersIn: ";,"))
  }

  /// Whether the code is in a list such as `R RATE LIMIT POLICY`.
  private static func isListed(_ code: NegotiationCode, _ kind: String, _ cell: String) -> Bool {
    cell.contains(kind) && cell.split { !$0.isUppercase && $0 != "_" }.contains { $0 == "\(code)" }
  }

  @Test("every row of the page, in every phase, of both roles: none is left out, and each is answered as its cell says")
  func everyCell() throws {
    let rows = try Self.rows()
    #expect(rows.count >= 11)
    var count = 0
    for (names, cells) in rows {
      try #require(cells.count == Phase.allCases.count, "\(names)")
      for name in names {
        let messages = try #require(Self.messages[name], "the table has \(name), and this test no message of it")
        for (phase, cell) in zip(Phase.allCases, cells) {
          for role in [Role.requester, .responder] {
            for (index, message) in messages.enumerated() {
              for confirms in phase == .traded ? [false, true] : [false] {
                let place = try Place(phase, role, confirms: confirms)
                let where_ = "\(name) \(index), \(phase.rawValue), the session is the \(role)"
                #expect(place.phase == phase, "\(where_): the stage stands in \(place.phase)")
                let isAboutPair = name == "MassCancel" || name == "Incarnation"
                let answer = place.script.say(message(place), in: isAboutPair ? .pair : place.dialogue)
                #expect(Self.allows(cell, answer, name, role), "\(where_): \(answer), and the page says '\(cell)'")
                check(place, phase, cell, answer, where_)
                #expect(try place.script.peer.restored() == place.script.peer.session.state, "\(where_)")
                count += 1
              }
            }
          }
        }
      }
    }
    // Kinds that the page has no row for are refused by their number.
    for kind in Kind.allCases {
      #expect(Self.messages.keys.contains { $0.lowercased() == "\(kind)".lowercased() }, "no message of \(kind)")
    }
    #expect(count >= 2 * 5 * 18)
  }

  /// The phase changes only where the cell says so.
  private func check(_ place: Place, _ phase: Phase, _ cell: String, _ answer: Script.Answer, _ note: String) {
    let after = place.phase
    guard after != phase else { return }
    let arrow = cell.contains("→\(after.rawValue)") || answer == .confirm
    #expect(arrow, "\(note) leads to \(after.rawValue), and the page says '\(cell)'")
  }
}
