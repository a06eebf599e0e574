import ParleyCrypto
import ParleyIdentity
import ParleyNegotiation
import ParleyWire

/// One side: a session, and the rows that it made.
private struct Machine: ~Copyable {
  let signer: LocalSigner
  let peer: PeerIdentity
  var session: PairSession
  var rows: [[UInt8]] = []
  var wire: [[UInt8]] = []
  var sent: Int64 = 0

  init(_ signer: LocalSigner, _ peer: PeerIdentity) {
    self.signer = signer
    self.peer = peer
    session = PairSession(signer: signer, peer: peer)
  }

  mutating func take(_ outcome: Outcome) {
    rows += outcome.rows.map(\.encoded)
    wire += outcome.frames
  }

  /// A fold of the rows must stand where the session stands.
  func check() {
    var copy = PairSession(signer: signer, peer: peer)
    for row in rows {
      guard (try? copy.restore(row)) != nil else { preconditionFailure("a row does not restore") }
    }
    precondition(copy.counters == session.counters && copy.trades == session.trades)
    precondition(copy.openDialogues == session.openDialogues && copy.frozen == session.frozen)
  }
}

private enum Keys {
  static let taker = signer(1)
  static let maker = signer(2)

  static func signer(_ number: UInt8) -> LocalSigner {
    let key = Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: number, count: 32)))
    guard let did = try? DIDKey.did(for: key.publicKey.raw), let identity = try? LocalResolver.resolve(did),
      let signer = try? LocalSigner(identity: identity, ed25519: key)
    else { preconditionFailure("a key makes an identity") }
    return signer
  }
}

/// Reads the input as instructions.
private struct Tape {
  var bytes: ArraySlice<UInt8>
  mutating func next() -> UInt8? { bytes.popFirst() }
}

/// Whatever two sessions are told and sent, also statements changed on the way and signed again, they do not trap, and
/// their rows give the same state.
@c(LLVMFuzzerTestOneInput)
public func fuzzPairSession(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  var tape = Tape(bytes: [UInt8](UnsafeRawBufferPointer(start: start, count: min(count, 400)))[...])
  var taker = Machine(Keys.taker, Keys.maker.identity)
  var maker = Machine(Keys.maker, Keys.taker.identity)
  var now = UnixNanoseconds(1_795_000_000_000_000_000)
  taker.take(taker.session.begin(incarnation: [UInt8](repeating: 1, count: 16), now: now))
  maker.take(maker.session.begin(incarnation: [UInt8](repeating: 2, count: 16), now: now))
  open(&taker, &maker, now)
  while let code = tape.next() {
    now = now.advanced(byNanoseconds: Int64(code >> 4) * 40_000_000)
    switch code & 0x0F {
    case 0...4: deliver(&taker, &maker, now, &tape, changes: false)
    case 5: deliver(&taker, &maker, now, &tape, changes: true)
    case 6: deliver(&maker, &taker, now, &tape, changes: true)
    case 7: open(&taker, &maker, now)
    case 8...10: act(&taker, now, &tape)
    case 11...13: act(&maker, now, &tape)
    case 14:
      if code & 0x80 != 0 { taker.take(taker.session.clockStepped(now: now)) }
      taker.take(taker.session.poll(now: now))
      maker.take(maker.session.poll(now: now))
    default: deliver(&maker, &taker, now, &tape, changes: false)
    }
  }
  taker.check()
  maker.check()
  return 0
}

private func open(_ taker: inout Machine, _ maker: inout Machine, _ now: UnixNanoseconds) {
  taker.session.channelClosed()
  maker.session.channelClosed()
  (taker.wire, maker.wire) = ([], [])
  taker.take(taker.session.channelOpened(now: now))
  maker.take(maker.session.channelOpened(now: now))
}

/// Hands over all that waits; where asked, the first statement changed in one byte and signed again, and answers of the
/// clock with other times.
private func deliver(
  _ from: inout Machine, _ to: inout Machine, _ now: UnixNanoseconds, _ tape: inout Tape, changes: Bool
) {
  var frames = from.wire
  from.wire = []
  if changes, let part = tape.next(), let offset = tape.next(), let bits = tape.next() {
    for index in frames.indices {
      if case .pong(let t1, let t2, let t3)? = try? Frame.decode(frames[index]) {
        let change = Int64(offset) << Int64(min(bits, 62))
        frames[index] =
          Frame.pong(
            t1: part & 4 == 0 ? t1 : t1.advanced(byNanoseconds: 1), t2: part & 8 == 0 ? t2 : UnixNanoseconds(0),
            t3: UnixNanoseconds(max(t3.rawValue, t3.advanced(byNanoseconds: change).rawValue))
          ).encoded
      }
      guard case .data(let n, let bytes)? = try? Frame.decode(frames[index]), let envelope = try? Envelope(bytes) else {
        continue
      }
      var (header, payload) = (envelope.header, envelope.payload)
      if part & 1 == 0 {
        header[Int(offset) * header.count / 256] ^= bits
      } else if !payload.isEmpty {
        payload[Int(offset) * payload.count / 256] ^= bits
      }
      let signed = Envelope(header: header, payload: payload, signer: from.signer)
      frames[index] = Frame.data(n: part & 2 == 0 ? n : n &+ 1, statement: signed.bytes).encoded
      break
    }
  }
  for frame in frames { to.take(to.session.receive(frame, now: now)) }
  for frame in to.wire { from.take(from.session.receive(frame, now: now)) }
  to.wire = []
}

private func act(_ machine: inout Machine, _ now: UnixNanoseconds, _ tape: inout Tape) {
  let what = tape.next() ?? 0
  let price = Int64(tape.next() ?? 0)
  func side(_ price: Int64) -> OfferSide { OfferSide(prices: [price], lotsMin: 1, lotsMax: 1 + price % 9) }
  let draft = OfferDraft(
    mode: price & 7 == 7 ? .indicative : price & 7 == 6 ? .lastLook : .firm,
    bid: side(price), ask: what & 0x80 == 0 ? side(price + 1) : nil,
    lifetime: 40_000_000 * (1 + price), hold: what & 0x40 == 0 ? 0 : 50_000_000,
    look: price & 7 == 6 ? 40_000_000 * (1 + price & 0x1F) : 0)
  let result: CommandResult?
  if let dialogue = machine.session.openDialogues.first(where: { _ in what & 0x0F != 0 }) {
    if let look = dialogue.look, what & 0x08 != 0 {
      if let result = try? machine.session.decideLook(
        dialogue.id, accept: look.accept, decline: what & 0x10 == 0 ? nil : .price, now: now)
      {
        machine.take(result.outcome)
      }
      return
    }
    if dialogue.lookUntil != nil, what & 0x10 != 0 {
      if let result = try? machine.session.withdraw(dialogue.id, now: now) { machine.take(result.outcome) }
      return
    }
    switch what & 0x07 {
    case 1: result = try? machine.session.pass(dialogue.id, now: now)
    case 2: result = try? machine.session.cancelOffer(dialogue.id, now: now)
    case 3: result = try? machine.session.refuse(dialogue.id, Fault(.policy), now: now)
    case 4: result = try? machine.session.counter(dialogue.id, draft, now: now)
    case 5: result = try? machine.session.quote(dialogue.id, draft, now: now)
    default:
      guard let offer = dialogue.peerOffer else { return }
      result = try? machine.session.accept(
        dialogue.id, offer: offer.id, side: price & 1 == 0 ? .buy : .sell, lots: 1 + price % 4, now: now)
    }
  } else {
    guard let spec = Hash256([UInt8](repeating: 3, count: 32)) else { return }
    let request = RequestDraft(
      legs: [Leg(instrument: "BTC-27NOV26-100000-C", specHash: spec)], lotsMin: 1, lotsMax: 10, side: .twoWay,
      lifetime: 400_000_000 * (1 + price))
    machine.sent += 1
    var nonce = [UInt8](repeating: what, count: 8)
    nonce.appendBigEndian(machine.sent)
    result = try? machine.session.requestQuote(
      request, nonce: nonce, clientOrderID: what & 0x20 == 0 ? nil : "order \(what)", now: now)
  }
  if let result { machine.take(result.outcome) }
}
