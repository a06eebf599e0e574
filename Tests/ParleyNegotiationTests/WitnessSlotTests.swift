import ParleyCrypto
import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyNegotiation

/// The witness's side: docs/protocol/witness.md, sections 2 to 5.
@Suite("Witness slots")
struct WitnessSlotTests {
  static let key = Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 0x31, count: 32)))
  static let other = Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 0x32, count: 32)))
  static let offer = Hash256([UInt8](repeating: 0x0F, count: 32))!
  static let contents = [0xA1, 0xA2].map { Hash256([UInt8](repeating: $0, count: 32))! }
  static let slot = Slot(offer: offer, key: Hash256(ed25519: key.publicKey), deadline: .start + .seconds(2))

  static func write(
    _ content: Hash256 = contents[0], to slot: Slot = slot, by key: Ed25519.SigningKey = key
  ) -> WitnessMessage {
    .write(slot, SlotWrite(content: content, signature: key.sign(slot.writtenBytes(content))))
  }

  /// An answer in a word.
  static func word(_ message: WitnessMessage) -> String {
    switch message {
    case .stamp(let stamp): stamp.content.map { $0 == contents[0] ? "first" : "second" } ?? "empty"
    case .open: "open"
    case .refused(_, let fault): "\(fault.code)"
    case .write, .query: "a question"
    }
  }

  // MARK: The table

  @Test("each question in each state of the slot, a nanosecond on either side of the deadline")
  func table() throws {
    let deadline = Self.slot.deadline
    for isLate in [false, true] {
      let now = isLate ? deadline.advanced(byNanoseconds: 1) : deadline
      for isWritten in [false, true] {
        for question in [Self.write(), Self.write(Self.contents[1]), .query(Self.slot)] {
          let witness = WitnessServer()
          if isWritten { _ = try witness.ask(Self.write(), .start) }
          let answer = Self.word(try witness.ask(question, now))
          let expected =
            if isWritten {
              "first"
            } else if isLate {
              "empty"
            } else if case .write(_, let write) = question {
              write.content == Self.contents[0] ? "first" : "second"
            } else {
              "open"
            }
          #expect(answer == expected, "late \(isLate), written \(isWritten), \(question)")
        }
      }
    }
  }

  @Test("what was answered stays so: whoever asks, in any order, after restarts, with a clock that is set back")
  func permanence() throws {
    var random = SplitMix64(seed: 11)
    for _ in 0..<300 {
      let witness = WitnessServer()
      var known: Stamp?
      for _ in 0..<20 {
        let now = UnixNanoseconds.start + .milliseconds(Int.random(in: 0...4_000, using: &random))
        if Int.random(in: 0..<4, using: &random) == 0 { try witness.restart() }
        let question: WitnessMessage =
          switch Int.random(in: 0..<3, using: &random) {
          case 0: Self.write()
          case 1: Self.write(Self.contents[1])
          default: .query(Self.slot)
          }
        guard case .stamp(let stamp) = try witness.ask(question, now) else { continue }
        #expect(stamp.isSigned(by: witness.signer.identity))
        #expect(known?.contradicts(stamp) != true)
        if stamp.content != nil, known?.content != nil { #expect(stamp == known) }
        known = known ?? stamp
      }
    }
  }

  @Test("a late write and a query race: whichever is first, both get the same answer")
  func race() throws {
    let late = Self.slot.deadline.advanced(byNanoseconds: 1)
    for questions in [[Self.write(), .query(Self.slot)], [.query(Self.slot), Self.write()]] {
      let witness = WitnessServer()
      for question in questions { #expect(Self.word(try witness.ask(question, late)) == "empty") }
      // The clock is set back, and the machine restarts: the slot stays closed.
      try witness.restart()
      #expect(Self.word(try witness.ask(Self.write(), .start)) == "empty")
      #expect(witness.slots.count == 0)
    }
  }

  // MARK: Refusals

  @Test("a write that the slot's key did not sign for this slot and content is refused, and writes nothing")
  func forgeries() throws {
    let witness = WitnessServer()
    let later = Slot(offer: Self.offer, key: Self.slot.key, deadline: Self.slot.deadline.advanced(byNanoseconds: 1))
    let elsewhere = Slot(offer: Self.contents[0], key: Self.slot.key, deadline: Self.slot.deadline)
    guard case .write(_, let good) = Self.write() else { return }
    var broken = good
    broken.signature[5] ^= 1
    let forged: [WitnessMessage] = [
      Self.write(by: Self.other),  // a wrong key
      .write(later, good), .write(elsewhere, good),  // replayed for another deadline, or another offer
      .write(Self.slot, SlotWrite(content: Self.contents[1], signature: good.signature)),  // for another content
      .write(Self.slot, broken),
      // A key of small order, under which a signature of anything could be made.
      .write(Slot(offer: Self.offer, key: .zero, deadline: Self.slot.deadline), good),
    ]
    for question in forged { #expect(Self.word(try witness.ask(question, .start)) == "SIGNATURE") }
    #expect(witness.journal.isEmpty)
    #expect(Self.word(try witness.ask(Self.write(), .start)) == "first")
    // Replayed as it was it says the same, to anybody.
    #expect(Self.word(try witness.ask(Self.write(), as: "did:example:thief", .start)) == "first")
  }

  @Test("who is not served, deadlines too far on either side, rates and slots: at the limit and one past it")
  func limits() throws {
    var limits = WitnessLimits()
    limits.questionsPerSecond = 6
    limits.slotsPerPeer = 2
    let witness = WitnessServer(limits: limits)
    witness.isServing = false
    #expect(Self.word(try witness.ask(.query(Self.slot), .start)) == "NO_WITNESS")
    witness.isServing = true
    func slot(_ offset: Int64) -> Slot {
      Slot(offer: Self.offer, key: Self.slot.key, deadline: UnixNanoseconds.start.advanced(byNanoseconds: offset))
    }
    #expect(Self.word(try witness.ask(.query(slot(limits.horizon)), .start)) == "open")
    #expect(Self.word(try witness.ask(.query(slot(limits.horizon + 1)), .start)) == "HORIZON")
    #expect(Self.word(try witness.ask(Self.write(to: slot(1)), .start)) == "first")
    #expect(Self.word(try witness.ask(Self.write(to: slot(2)), .start)) == "first")
    #expect(Self.word(try witness.ask(Self.write(to: slot(3)), .start)) == "LIMIT")
    #expect(Self.word(try witness.ask(.query(slot(3)), .start)) == "open")
    #expect(Self.word(try witness.ask(.query(slot(3)), .start)) == "RATE")
    #expect(Self.word(try witness.ask(Self.write(to: slot(3)), as: "did:example:another", .start)) == "first")
    // Kept until the last instant, then forgotten: never empty.
    let end = slot(1).deadline.advanced(byNanoseconds: limits.retention)
    #expect(Self.word(try witness.ask(.query(slot(1)), end)) == "first")
    #expect(Self.word(try witness.ask(.query(slot(1)), end.advanced(byNanoseconds: 1))) == "FORGOTTEN")
    #expect(Self.word(try witness.ask(Self.write(to: slot(1)), end.advanced(byNanoseconds: 1))) == "FORGOTTEN")
    // The journal's time has to pass it for the slots to be let go; then the peer may write others.
    let much = end.advanced(byNanoseconds: 10)
    #expect(Self.word(try witness.ask(.query(Slot(offer: Self.offer, key: .zero, deadline: end)), much)) == "empty")
    #expect(witness.slots.count == 0)
    try witness.restart()
    #expect(witness.slots.count == 0)
    #expect(Self.word(try witness.ask(.query(slot(1)), .start)) == "FORGOTTEN")
  }

  @Test("after a restore from a backup an empty slot that may have been written is forgotten; a written one is not")
  func restoredJournal() throws {
    let witness = WitnessServer()
    _ = try witness.ask(Self.write(), .start)
    try witness.restart()
    witness.slots.wasRestored(at: .start)
    let end = UnixNanoseconds.start.advanced(byNanoseconds: witness.limits.horizon)
    let lost = Slot(offer: Self.contents[0], key: Self.slot.key, deadline: end)
    let after = Slot(offer: Self.contents[0], key: Self.slot.key, deadline: end.advanced(byNanoseconds: 1))
    #expect(Self.word(try witness.ask(.query(Self.slot), .start)) == "first")
    for question in [.query(lost), Self.write(to: lost)] as [WitnessMessage] {
      #expect(Self.word(try witness.ask(question, .start + .seconds(1))) == "FORGOTTEN")
    }
    #expect(Self.word(try witness.ask(Self.write(to: after), .start + .seconds(1))) == "first")
  }

  @Test("nothing of an empty slot is kept, and old ones cost no row")
  func emptySlotsAreFree() throws {
    let witness = WitnessServer()
    for offset in 0..<40 {
      let slot = Slot(offer: Self.offer, key: Self.slot.key, deadline: .start + .milliseconds(offset))
      #expect(Self.word(try witness.ask(.query(slot), .start + .seconds(1))) == "empty")
    }
    #expect(witness.journal.count == 1)
  }

  @Test("what only a witness says ends the stream")
  func wrongDirection() throws {
    let witness = WitnessServer()
    let stamp = try witness.ask(Self.write(), .start)
    for message in [stamp, .open(Self.slot.id, now: .start), .refused(Self.slot.id, Fault(.rate))] {
      #expect(throws: Fault.self) { try witness.ask(message, .start) }
    }
  }

  @Test("rows that do not read, or that write a slot twice, are no journal")
  func rows() throws {
    let witness = WitnessServer()
    _ = try witness.ask(Self.write(), .start)
    let row = witness.journal[0].row
    #expect(try WitnessRow(row).encoded == row)
    var slots = WitnessSlots(signer: Traders.stranger)
    try slots.restore(row, peer: "did:example:asker")
    var refusals = 0
    do { try slots.restore(row, peer: "did:example:asker") } catch { refusals += 1 }
    for count in 0..<row.count {
      do { try slots.restore(Array(row.prefix(count)), peer: "") } catch { refusals += 1 }
    }
    #expect(refusals == row.count + 1)
  }

  // MARK: Coding

  @Test(
    "messages and stamps read back; cut or longer they do not", arguments: [Traders.stranger, Traders.quantumMaker])
  func coding(signer: LocalSigner) throws {
    let witness = WitnessServer(signer)
    let messages: [WitnessMessage] = [
      Self.write(), .query(Self.slot), try witness.ask(Self.write(), .start), .open(Self.slot.id, now: .start),
      .refused(Self.slot.id, Fault(.horizon, String(repeating: "x", count: 128))),
      try WitnessServer(signer).ask(.query(Self.slot), .start + .seconds(3)),
    ]
    for message in messages {
      let bytes = message.encoded
      #expect(bytes.count <= WitnessMessage.byteLimit)
      #expect(try WitnessMessage(bytes) == message)
      for count in 0..<bytes.count { #expect(throws: Fault.self) { try WitnessMessage(Array(bytes.prefix(count))) } }
      #expect(throws: Fault.self) { try WitnessMessage(bytes + [0]) }
    }
  }

  @Test("no byte of a stamp can be changed", arguments: [Traders.stranger, Traders.quantumMaker])
  func tampering(signer: LocalSigner) throws {
    guard case .stamp(let stamp) = try WitnessServer(signer).ask(Self.write(), .start) else { return }
    #expect(stamp.isSigned(by: signer.identity))
    #expect(!stamp.isSigned(by: Traders.maker.identity))
    for index in stamp.bytes.indices {
      var bytes = stamp.bytes
      bytes[index] ^= 0x01
      let changed = try? Stamp(bytes)
      #expect(changed.map { $0.isSigned(by: signer.identity) } != true, "byte \(index)")
    }
  }

  @Test("a stamp that says empty before the deadline, or written after it, is malformed")
  func impossibleStamps() throws {
    let written = Stamp(Self.slot, content: Self.contents[0], time: Self.slot.deadline, signer: Traders.stranger)
    let empty = Stamp(
      Self.slot, content: nil, time: Self.slot.deadline.advanced(byNanoseconds: 1), signer: Traders.stranger)
    let content = Self.contents[0].bytes
    func replaced(_ stamp: Stamp, _ old: [UInt8], _ new: [UInt8]) throws -> [UInt8] {
      var bytes = stamp.bytes
      let start = try #require((0...(bytes.count - old.count)).first { Array(bytes[$0..<($0 + old.count)]) == old })
      bytes.replaceSubrange(start..<(start + old.count), with: new)
      return bytes
    }
    #expect(throws: Fault.self) { try Stamp(replaced(written, content, Hash256.zero.bytes)) }
    #expect(throws: Fault.self) { try Stamp(replaced(empty, Hash256.zero.bytes, content)) }
  }
}
