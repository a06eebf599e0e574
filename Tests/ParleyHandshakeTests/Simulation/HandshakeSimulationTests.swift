import Foundation
import ParleyCrypto
import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyHandshake

/// One handshake, the session after it, and an attacker between the two sides, all from one seed.
struct Simulation {
  private(set) var failure: String?
  private(set) var isAgreed = false
  private(set) var hasRetried = false
  /// What the attacker did.
  private(set) var faults: [String] = []
  /// The messages of both directions, which the next session's attacker may use.
  private(set) var memory: [[UInt8]] = []

  static let parties: [Party] = {
    do {
      return [try Party(1), try Party(2), try Party(3, postQuantum: true), try Party(4, postQuantum: true)]
    } catch {
      preconditionFailure("\(error)")
    }
  }()

  /// When the attacker gives up, when the keys are renewed, and when the sides are compared.
  private static let (peace, comparison): (Duration, Duration) = (.seconds(30), .seconds(700))
  private static let eventLimit = 20_000

  init(seed: UInt64, bug: SimulatedSide.Bug = .none, memory: [[UInt8]] = []) throws {
    var random = SplitMix64(seed: seed)
    let network = SimulatedNetwork()
    let isPostQuantum = random.chance(16)
    let (one, other) = (Self.parties[isPostQuantum ? 2 : 0], Self.parties[isPostQuantum ? 3 : 1])
    var setting = SimulatedSide.Setting(prologue: Handshake.prologue)
    setting.bug = bug
    setting.hasHeader = !random.chance(5)
    setting.isAllowed = !random.chance(12)
    if random.chance(8) { setting.decision = .milliseconds(random.below(9000)) }
    // The work is real, and so under load there are few.
    setting.isUnderLoad = random.chance(40)
    if random.chance(2) { setting.skew = .seconds(random.below(500)) }
    let initiator = SimulatedSide(
      .initiator, network, one, peer: other, setting, randomness: Self.randomness(&random), random: random)
    if random.chance(30) {
      faults.append("another prologue")
      setting.prologue = try Prologue(offered: ["parley.v1", "x"], selected: "parley.v1", channelBinding: .none)
    }
    let responder = SimulatedSide(
      .responder, network, other, peer: one, setting, randomness: Self.randomness(&random),
      random: SplitMix64(seed: seed &+ 1))
    let latency: Duration = .milliseconds(1 + random.below(random.chance(10) ? 3000 : 100))
    let reset = {
      initiator.connectionEnded()
      responder.connectionEnded()
    }
    let up = SimulatedLink(network, latency: latency, arrive: { responder.arrive($0) }, reset: reset)
    let down = SimulatedLink(network, latency: latency, arrive: { initiator.arrive($0) }, reset: reset)
    (up.opposite, down.opposite) = (down, up)
    (initiator.link, responder.link) = (up, down)
    if !random.chance(5) {
      for _ in 0...random.below(3) { attack(random.chance(2) ? up : down, &random, memory) }
    }
    // The links know the sides, and the sides their links.
    defer { (initiator.link, responder.link) = (nil, nil) }
    initiator.start()
    responder.start()

    network.schedule(after: Self.peace) { (up.isAttacked, down.isAttacked) = (false, false) }
    // The keys are renewed after 600 seconds; then each side says one thing more.
    let last = random.bytes(6)
    network.schedule(after: Self.comparison - .seconds(60)) {
      initiator.say(last)
      responder.say(last)
    }
    var verdict: String?
    network.schedule(after: Self.comparison) {
      verdict = Self.compare(initiator, responder, last)
      initiator.close()
    }
    guard network.run(limit: Self.eventLimit) else {
      failure = "no end after \(Self.eventLimit) events"
      return
    }
    isAgreed = initiator.endedInOrder && responder.endedInOrder
    hasRetried = initiator.answeredRetries > 0
    self.memory = up.sent + down.sent
    failure = verdict ?? (initiator.isEnded && responder.isEnded ? nil : "a side does not end")
  }

  /// Two agreed open channels, or two closed ones.
  private static func compare(_ one: SimulatedSide, _ other: SimulatedSide, _ last: [UInt8]) -> String? {
    for (side, peer, name) in [(one, other, "initiator"), (other, one, "responder")] {
      guard peer.sentMessages.starts(with: side.received) else { return "the \(name) got what was not sent" }
      if !side.received.isEmpty, side.transcriptHash != peer.transcriptHash { return "data without agreement" }
      if !side.isOpen, !side.isEnded { return "the \(name) hangs in its handshake" }
    }
    guard one.isOpen || other.isOpen else { return nil }
    guard one.isOpen, other.isOpen else {
      return
        "only the \(one.isOpen ? "initiator" : "responder") is open; faults: \(one.fault ?? "-"), \(other.fault ?? "-")"
    }
    guard one.transcriptHash == other.transcriptHash else { return "two transcripts" }
    guard one.received == other.sentMessages, other.received == one.sentMessages, one.received.last == last else {
      return "open, but what is said does not arrive"
    }
    guard let mine = one.counters, let theirs = other.counters, mine.sent == theirs.received,
      mine.received == theirs.sent, mine.sent.epoch == 1
    else { return "open, but the keys were not renewed" }
    return nil
  }

  private mutating func attack(_ link: SimulatedLink, _ random: inout SplitMix64, _ memory: [[UInt8]]) {
    if random.chance(2) {
      // Where a byte is: most of them in the first messages.
      let offset = random.below(random.chance(2) ? 1_300 : 4_500)
      let fault: SimulatedLink.ByteFault =
        switch random.below(4) {
        case 0: .flip(1 << UInt8(random.below(8)))
        case 1: .reset
        case 2: .silence
        default: .slow(.milliseconds(1 + random.below(40)))
        }
      link.byteFaults[offset] = fault
      faults.append("\(fault) at byte \(offset)")
    } else {
      let number = random.below(7)
      let fault: SimulatedLink.MessageFault =
        switch random.below(9) {
        case 0: .drop
        case 1: .duplicate
        case 2: .swapWithNext
        case 3: .reflect
        case 4: .delay(.milliseconds(random.below(12_000)))
        case 5: .replace(memory.isEmpty ? random.bytes(35) : memory[random.below(memory.count)])
        case 6: .precede(random.chance(2) || memory.isEmpty ? random.bytes(84) : memory[random.below(memory.count)])
        case 7: .cut(1 + random.below(40))
        default: .extend(random.bytes(1 + random.below(40)))
        }
      link.messageFaults[number] = fault
      faults.append("\(fault)".prefix(60) + " at message \(number)")
    }
  }

  private static func randomness(_ random: inout SplitMix64) -> HandshakeRandomness {
    HandshakeRandomness(
      ephemeralKey: SecretBytes(copying: random.bytes(32)), kemSeed: SecretBytes(copying: random.bytes(64)),
      kemMessage: SecretBytes(copying: random.bytes(32)), resumeID: random.bytes(16),
      priorityTokens: random.bytes(128))
  }
}

/// Handshakes by the thousand between two sides with an attacker between them, in time that does not pass.
///
/// `scripts/check simulation` runs 100,000, and as many under the address sanitizer; `PARLEY_HANDSHAKES` says how many,
/// `PARLEY_SEED` from which seed on: a failure names its own, which runs alone with `PARLEY_HANDSHAKES=1`.
@Suite("Simulated handshakes")
struct HandshakeSimulationTests {
  static let environment = ProcessInfo.processInfo.environment
  static let count = environment["PARLEY_HANDSHAKES"].flatMap(Int.init) ?? 2_000
  static let seed = environment["PARLEY_SEED"].flatMap(UInt64.init) ?? 1

  @Test("each ends in two agreed open channels or in two closed ones, and leaves nothing behind")
  func handshakes() throws {
    var (agreed, retried, failures) = (0, 0, 0)
    var used: [Int] = []
    for number in 0..<Self.count {
      let seed = Self.seed &+ UInt64(number)
      // The attacker knows the session of the seed before, so that one seed is enough to see it again.
      let before = number.isMultiple(of: 4) ? try Simulation(seed: seed ^ 1 << 63).memory : []
      let simulation = try Simulation(seed: seed, memory: before)
      agreed += simulation.isAgreed ? 1 : 0
      retried += simulation.hasRetried ? 1 : 0
      if let failure = simulation.failure {
        failures += 1
        if failures <= 10 { Issue.record("seed \(seed): \(failure); attacker: \(simulation.faults)") }
      }
      if number % max(1, Self.count / 8) == 0 { used.append(Self.bytesInUse) }
    }
    print("simulation: \(Self.count) handshakes from seed \(Self.seed): \(agreed) agreed, \(retried) asked for work")
    guard Self.count >= 1_000 else { return }
    #expect(agreed > Self.count / 10 && agreed < Self.count * 9 / 10 && retried > Self.count / 200)
    // The first part fills caches. Tests beside this one use memory too, but not more and more.
    print("simulation: bytes in use along the way: \(used)")
    if let begin = used.dropFirst(2).first, let end = used.last {
      let limit = Self.count >= 10_000 ? 8 << 20 : 64 << 20
      #expect(end - begin < limit, "\(end - begin) bytes more in use: \(used)")
    }
  }

  @Test("what a driver forgets is found", arguments: SimulatedSide.Bug.allCases.filter { $0 != .none })
  func planted(bug: SimulatedSide.Bug) throws {
    let found = try (0..<400 as Range<UInt64>).first { try Simulation(seed: $0, bug: bug).failure != nil }
    #expect(found != nil, "no seed shows \(bug)")
  }

  /// The memory of this process.
  static var bytesInUse: Int {
    let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ").dropFirst()
      .first
    return pages.flatMap { Int($0) }.map { $0 * 4096 } ?? 0
  }
}
