import Foundation
import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyNegotiation

/// What the session cases of the FIX 4.4 acceptance scripts are in Parley, where no other suite has them:
/// docs/protocol/session-cases.md.
@Suite("Session cases")
struct SessionCaseTests {
  @Test("the table has all 59 cases once, and each names a test that exists")
  func table() throws {
    let page = try String(
      contentsOf: SharedVectors.root.appending(path: "docs/protocol/session-cases.md"), encoding: .utf8)
    let rows = page.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { row in
      row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
    }
    #expect(rows.count == 59)
    #expect(Set(rows.map { $0[0] }).count == 59)
    let folder = SharedVectors.root.appending(path: "Tests/ParleyNegotiationTests")
    for row in rows {
      try #require(row.count == 4 && !row[1].isEmpty && !row[2].isEmpty, "\(row)")
      let names = row[3].replacing("`", with: "").split(separator: ".").map(String.init)
      try #require(names.count == 2, "\(row[0])")
      let source = try String(contentsOf: folder.appending(path: names[0] + ".swift"), encoding: .utf8)
      let isThere = source.contains("struct \(names[0])") && isTest(names[1], in: source)
      #expect(isThere, "\(row[0]): there is no test \(row[3])")
    }
  }

  /// Whether a function of that name follows a `@Test`.
  private func isTest(_ name: String, in source: String) -> Bool {
    source.components(separatedBy: "@Test").dropFirst().contains { part in
      part.range(of: "func ").map { part[$0.upperBound...].hasPrefix(name + "(") } ?? false
    }
  }

  @Test("1a: a SYNC that says that more was sent brings it, in order")
  func logonTooHigh() throws {
    var (stage, sync) = try SessionTests.stage()
    let script = stage.script
    let pass = script.statement(.pass(Pass(code: .none)), in: stage.dialogue)
    sync.sent += 1
    sync.sentLink = PairState.link(after: sync.sentLink, n: sync.sent, id: pass.id)
    SessionTests.reopen(script.peer, script.now)
    script.peer.receive(.sync(sync), script.now)
    #expect(script.peer.session.isSynced && script.peer.session.counters.received == sync.sent - 1)
    script.peer.receive(.data(n: sync.sent, statement: pass.bytes), script.now)
    #expect(script.peer.session.counters.received == sync.sent && script.peer.session.frozen == nil)
  }

  @Test("1b: a new channel replaces the old one: frames decided for the old one are not for the new one")
  func newChannel() throws {
    let pair = Pair()
    let id = try pair.ask()
    let old = try pair.maker.session.quote(id, Samples.twoWay(), now: pair.now)
    pair.maker.take(old)
    pair.connect()
    #expect(old.outcome.channel != pair.maker.session.channelCount)
    #expect(pair.taker.session.dialogue(id)?.peerOffer?.id == old.statement)
    #expect(pair.taker.session.counters.received == pair.maker.session.counters.sent)
  }

  @Test("1d: the clock in SYNC decides nothing")
  func clockOfSync() throws {
    for now in [0, Int64.max] {
      var (stage, sync) = try SessionTests.stage()
      sync.now = UnixNanoseconds(now)
      SessionTests.reopen(stage.script.peer, stage.script.now)
      stage.script.peer.receive(.sync(sync), stage.script.now)
      #expect(stage.script.peer.session.isSynced && stage.script.peer.session.frozen == nil)
    }
  }

  @Test("1d: a SYNC that is cut, grown or of another version closes the channel, and the next one loses nothing")
  func malformedSync() throws {
    let (stage, sync) = try SessionTests.stage()
    let good = Frame.sync(sync).encoded
    var version = good
    version[2] = 2
    for bad in [Array(good.dropLast()), good + [0], version] {
      SessionTests.reopen(stage.script.peer, stage.script.now)
      let outcome = stage.script.peer.session.receive(bad, now: stage.script.now)
      #expect(outcome.close != nil && outcome.rows.isEmpty)
    }
    SessionTests.reopen(stage.script.peer, stage.script.now)
    stage.script.peer.receive(.sync(sync), stage.script.now)
    #expect(stage.script.peer.session.isSynced == true)
  }

  @Test("2a, 4b: statements one after the other are taken and acknowledged, each with its link")
  func inOrder() throws {
    let (stage, sync) = try SessionTests.stage()
    let script = stage.script
    var (link, last) = (sync.sentLink, StatementID?.none)
    for n in (sync.sent + 1)...(sync.sent + 3) {
      let reject = Payload.reject(Reject(target: .zero, code: .none, field: UInt8(n), text: ""))
      let statement = script.statement(reject, in: stage.dialogue) {
        $0.seq += n - sync.sent - 1
        $0.own = last ?? $0.own
      }
      last = statement.id
      link = PairState.link(after: link, n: n, id: statement.id)
      script.peer.receive(.data(n: n, statement: statement.bytes), script.now)
      #expect(script.peer.drain().map { try! Frame.decode($0) }.contains(.ack(n: n, link: link)))
    }
  }

  @Test("2f, 2g: what is sent again are the bytes of before, whatever the time")
  func repetitionIsBytes() throws {
    let pair = Pair()
    let id = try pair.ask()
    pair.maker.take(try pair.maker.session.quote(id, Samples.twoWay(), now: pair.now))
    let first = try #require(pair.maker.drain().last)
    pair.now = pair.now + .seconds(1_000)
    pair.taker.session.channelClosed()
    pair.maker.session.channelClosed()
    pair.taker.open(pair.now)
    pair.maker.open(pair.now)
    for frame in pair.taker.drain() { pair.maker.take(pair.maker.session.receive(frame, now: pair.now)) }
    #expect(pair.maker.drain().contains(first))
  }

  @Test("2o: a request or offer from the future is refused CLOCK, a verdict stands")
  func clockOfStatements() throws {
    let stage = try MessageTableTests.Stage(.pending)
    let script = stage.script
    let later = script.now + .seconds(3)
    let offer = script.offer(replaces: MessageTableTests.lateOffer(stage))
    let answer = script.say(.quote(offer), in: stage.dialogue, expiry: later + .seconds(1)) { $0.created = later }
    #expect(answer == .reject(.replaces) || answer == .reject(.clock))
    let confirm = script.confirm(stage.accept!)
    #expect(script.say(.confirm(confirm), in: stage.dialogue) { $0.created = later } == .tradeAck)
  }

  @Test("4a, 6: silence asks for nothing, and a line that is dropped in it loses nothing")
  func silence() throws {
    let pair = Pair()
    let id = try pair.ask()
    let sent = pair.maker.session.counters.sent
    pair.now = pair.now + .seconds(50)
    for peer in [pair.taker, pair.maker] {
      peer.take(peer.session.poll(now: pair.now))
      // But for PINGs, which measure the peer's clock and need no answer to stay alive.
      #expect(try peer.drain().allSatisfy { if case .ping = try Frame.decode($0) { true } else { false } })
    }
    // The maker's quote is signed while the line is dead already.
    pair.maker.take(try pair.maker.session.quote(id, Samples.twoWay(), now: pair.now))
    _ = pair.maker.drain()
    pair.connect()
    #expect(pair.maker.session.counters.sent == sent + 1)
    #expect(pair.taker.session.dialogue(id)?.peerOffer != nil)
  }

  @Test("8: whatever was not acknowledged is sent again, Rejects and TradeAcks too, as the same bytes")
  func everythingIsResent() throws {
    let pair = Pair()
    let id = try pair.ask()
    let before = pair.maker.session.counters.sent
    let offer = try pair.quote(id)
    pair.taker.take(try pair.taker.session.accept(id, offer: offer, side: .buy, lots: 1, now: pair.now))
    for frame in pair.taker.drain() { pair.maker.take(pair.maker.session.receive(frame, now: pair.now)) }
    let lost = pair.maker.drain().filter { $0.prefix(2) == [0x93, 1] }
    #expect(lost.count == 1)
    pair.taker.session.channelClosed()
    pair.maker.session.channelClosed()
    pair.taker.open(pair.now)
    pair.maker.open(pair.now)
    for frame in pair.taker.drain() { pair.maker.take(pair.maker.session.receive(frame, now: pair.now)) }
    let frames = pair.maker.drain()
    #expect(frames.filter { $0.prefix(2) == [0x93, 1] } == lost)
    for frame in frames { pair.taker.take(pair.taker.session.receive(frame, now: pair.now)) }
    #expect(pair.taker.session.trades.count == 1 && pair.maker.session.counters.sent == before + 2)
    // The TradeAck and the ACK are on their way, and lost.
    let lostAck = pair.taker.drain().filter { $0.prefix(2) == [0x93, 1] }
    #expect(lostAck.count == 1)
    pair.connect()
    #expect(pair.maker.events.contains(.tradeAcknowledged(id)))
  }

  @Test("10: there is no gap fill: a frame of any other type closes the channel and changes nothing")
  func noGapFill() throws {
    let (stage, _) = try SessionTests.stage()
    let state = stage.script.peer.session.state
    for type in [0, 10, 11, 20, 127] as [UInt8] {
      SessionTests.reopen(stage.script.peer, stage.script.now)
      let outcome = stage.script.peer.session.receive([0x92, type, 1], now: stage.script.now)
      #expect(outcome.close != nil && outcome.rows.isEmpty, "\(type)")
    }
    #expect(stage.script.peer.session.state == state)
  }

  @Test("11: a SYNC that claims more than comes leaves a gap, which closes the channel: no number is skipped")
  func noReset() throws {
    var (stage, sync) = try SessionTests.stage()
    sync.sent += 5
    sync.sentLink = Samples.spec
    SessionTests.reopen(stage.script.peer, stage.script.now)
    stage.script.peer.receive(.sync(sync), stage.script.now)
    let pass = stage.script.statement(.pass(Pass(code: .none)), in: stage.dialogue)
    stage.script.peer.receive(.data(n: sync.sent, statement: pass.bytes), stage.script.now)
    #expect(stage.script.peer.close == .gap(expected: sync.sent - 4, got: sync.sent))
    #expect(stage.script.peer.session.counters.received == sync.sent - 5)
  }

  @Test("14e: a value that is none of its field's is MALFORMED, with the field")
  func badEnumeration() throws {
    let stage = try MessageTableTests.Stage(.open)
    let script = stage.script
    var payload = script.offer(replaces: MessageTableTests.lateOffer(stage)).encoded
    // [round, replaces, mode, ...]: the mode comes behind the array's head, the round, and 34 bytes of the id.
    payload[1 + 1 + 34] = 7
    let header = script.statement(.quote(script.offer()), in: stage.dialogue).header
    let envelope = Envelope(header: header.encoded, payload: payload, signer: script.signer)
    #expect(script.say(envelope.bytes) == .reject(.malformed))
    guard case .reject(let reject)? = script.heard.last?.payload else {
      Issue.record("no Reject")
      return
    }
    #expect(reject.field == 103)
  }

  @Test("20: both sides miss something at once: each SYNC brings it")
  func bothMiss() throws {
    let pair = Pair()
    let id = try pair.ask()
    try pair.quote(id)
    pair.taker.take(try pair.taker.session.counter(id, Samples.twoWay(bid: 97, ask: 103), now: pair.now))
    pair.maker.take(try pair.maker.session.cancelOffer(id, now: pair.now))
    // Both are lost on their way.
    _ = (pair.taker.drain(), pair.maker.drain())
    pair.connect()
    #expect(pair.taker.session.dialogue(id)?.peerOffer == nil)
    #expect(pair.maker.session.dialogue(id)?.peerOffer != nil)
    for peer in [pair.taker, pair.maker] {
      #expect(peer.session.frozen == nil && peer.session.counters.acknowledged == peer.session.counters.sent)
    }
  }

  @Test("21: a request without a leg is MALFORMED")
  func noLegs() throws {
    let script = Script(Traders.taker, to: Traders.maker)
    var (request, id) = script.request()
    request.legs = []
    #expect(script.say(.quoteRequest(request), in: id, expiry: script.now + .seconds(9)) == .reject(.malformed))
  }

  @Test("what was refused is not judged again: the answer of then is sent again")
  func answersAreResent() throws {
    let pair = Pair()
    pair.maker.session.policy.requestRefusal = .policy
    pair.taker.take(
      try pair.taker.session.requestQuote(Samples.request(), nonce: [UInt8](repeating: 8, count: 16), now: pair.now))
    for frame in pair.taker.drain() { pair.maker.take(pair.maker.session.receive(frame, now: pair.now)) }
    let answer = pair.maker.drain().filter { $0.prefix(2) == [0x93, 1] }
    // By now the maker would take it.
    pair.maker.session.policy.requestRefusal = nil
    let sent = pair.maker.session.counters.sent
    pair.taker.session.channelClosed()
    pair.maker.session.channelClosed()
    pair.taker.open(pair.now)
    pair.maker.open(pair.now)
    for frame in pair.taker.drain() { pair.maker.take(pair.maker.session.receive(frame, now: pair.now)) }
    #expect(pair.maker.drain().filter { $0.prefix(2) == [0x93, 1] } == answer && answer.count == 1)
    #expect(pair.maker.session.counters.sent == sent)
  }
}
