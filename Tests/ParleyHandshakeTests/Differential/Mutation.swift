import ParleyCrypto
import ParleyIdentity
import ParleyWire
import TestSupport

@testable import ParleyHandshake

/// The messages of a session, each of which an attacker can get hold of.
enum MessageKind: String, CaseIterable {
  case retry, message1, message2, message3, accept, fromInitiator, fromResponder, offer, reply, done, resume, resumed,
    close
}

extension SplitMix64 {
  mutating func below(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &self) }
  mutating func chance(_ one: Int) -> Bool { below(one) == 0 }
}

/// Changes to bytes, drawn from a seed.
enum Mutation {
  /// What somebody without any key can do to a message.
  ///
  /// - Parameters:
  ///   - others: Messages that the attacker has seen: of this session, and of the one before.
  ///   - note: What was done, for the report.
  static func inFlight(
    _ bytes: [UInt8], others: [[UInt8]], _ random: inout SplitMix64, note: inout String
  ) -> [UInt8] {
    switch random.below(others.isEmpty ? 7 : 9) {
    case 0, 1:
      guard !bytes.isEmpty else { return [0] }
      let (offset, bit) = (random.below(bytes.count), random.below(8))
      note = "bit \(bit) of byte \(offset) flipped"
      var changed = bytes
      changed[offset] ^= 1 << UInt8(bit)
      return changed
    case 2:
      note = "several bytes flipped"
      var changed = bytes
      for _ in 0...random.below(8) where !bytes.isEmpty { changed[random.below(bytes.count)] ^= random.bytes(1)[0] }
      return changed
    case 3:
      let count = random.chance(2) ? bytes.count - 1 : random.below(max(1, bytes.count))
      note = "cut to \(count)"
      return Array(bytes.prefix(max(0, count)))
    case 4:
      let more = 1 + (random.chance(2) ? 0 : random.below(70))
      note = "\(more) bytes longer"
      return bytes + random.bytes(more)
    case 5:
      guard !bytes.isEmpty else { return [0] }
      let start = random.below(bytes.count)
      let end = min(bytes.count, start + 1 + random.below(64))
      note = "zeros from \(start) to \(end)"
      var changed = bytes
      for index in start..<end { changed[index] = 0 }
      return changed
    case 6:
      note = "random bytes"
      return random.bytes(bytes.count)
    default:
      note = "another message"
      return others[random.below(others.count)]
    }
  }

  /// What somebody with the keys can do to a plaintext.
  static func body(_ bytes: [UInt8], _ random: inout SplitMix64, note: inout String) -> [UInt8] {
    inFlight(bytes, others: [], &random, note: &note)
  }

  /// Message 1 with one field changed, and its authenticator made right again.
  static func message1(
    _ bytes: [UInt8], to did: DID, own: [UInt8], _ random: inout SplitMix64, note: inout String
  ) -> [UInt8] {
    var changed = bytes
    func put(_ value: [UInt8], at offset: Int) {
      for (index, byte) in value.enumerated() { changed[offset + index] = byte }
    }
    switch random.below(8) {
    case 0:
      note = "e of small order"
      put(smallOrder[random.below(smallOrder.count)], at: 0)
    case 1:
      note = "the responder's own e"
      put(own, at: 0)
    case 2:
      let coefficient = random.below(768)
      note = "coefficient \(coefficient) of e1 not reduced"
      let offset = 32 + coefficient / 2 * 3
      if coefficient.isMultiple(of: 2) {
        put([0xFF, changed[offset + 1] | 0x0F], at: offset)
      } else {
        put([changed[offset + 1] | 0xF0, 0xFF], at: offset + 1)
      }
    case 3:
      note = "version"
      put(random.bytes(2), at: 1216)
    case 4:
      note = "flags"
      put(random.bytes(2), at: 1218)
    case 5:
      note = "token and work"
      put(random.bytes(40), at: 1220)
    case 6:
      note = "another KEM key"
      put(MLKEM768.DecapsulationKey(seed: SecretBytes(copying: random.bytes(64))).encapsulationKey, at: 32)
    default:
      note = "the authenticator for another DID"
      return authenticated(changed, "did:web:other.example")
    }
    return authenticated(changed, did.string)
  }

  private static func authenticated(_ bytes: [UInt8], _ did: String) -> [UInt8] {
    let covered = Array(bytes[..<1260])
    let key = SHA256.hash(Array("parley/psc1 mac1".utf8), Array(did.utf8))
    return covered + HMACSHA256.authenticate(covered, key: key).prefix(16)
  }

  static let smallOrder: [[UInt8]] = [
    [UInt8](repeating: 0, count: 32),
    [1] + [UInt8](repeating: 0, count: 31),
    [0xED] + [UInt8](repeating: 0xFF, count: 30) + [0x7F],
    [0xEE] + [UInt8](repeating: 0xFF, count: 30) + [0x7F],
    [0xEC] + [UInt8](repeating: 0xFF, count: 30) + [0x7F],
  ]

  /// An identity payload with one field changed, signed anew or not.
  static func payload(
    _ honest: IdentityPayload, _ statement: IdentityStatement, of party: Party, to receiver: Party,
    _ random: inout SplitMix64, note: inout String
  ) -> [UInt8] {
    var raw = RawPayload(honest)
    let isSigned = random.chance(2)
    var isSignedLast = true
    switch random.below(20) {
    case 0: (note, raw.version) = ("version", UInt8(random.below(256)))
    case 1: (note, raw.role) = ("role", random.chance(2) ? receiverRole(raw.role) : UInt8(random.below(256)))
    case 2: (note, raw.did) = ("the receiver's DID", Array(receiver.identity.did.string.utf8))
    case 3: (note, raw.did) = ("longer DID", raw.did + [0x41])
    case 4: (note, raw.did) = ("DID in other case", raw.did.map { $0 == UInt8(ascii: "d") ? UInt8(ascii: "D") : $0 })
    case 5: (note, raw.did) = ("no DID", [])
    case 6: (note, raw.keyFragment) = ("another fragment", Array("key-9".utf8))
    case 7: (note, raw.keyFragment) = ("no fragment", [])
    case 8: (note, raw.keyFragment) = ("long fragment", [UInt8](repeating: 0x61, count: 64 + random.below(2)))
    case 9: (note, raw.documentHash) = ("document hash", random.bytes(32))
    case 10: (note, raw.suite) = ("suite", UInt8(random.below(5)))
    case 11:
      note = "signature"
      raw.ed25519[random.below(64)] ^= 1
      isSignedLast = false
    case 12:
      note = "length of a signature"
      if random.chance(2) { raw.ed25519.removeLast() } else { raw.mldsa65.append(0) }
      isSignedLast = false
    case 13:
      note = "suite stripped"
      (raw.suite, raw.mldsa65) = (1, [])
    case 14:
      note = "document"
      raw.document = random.chance(2) ? [] : raw.document + [0x20]
    case 15: (note, raw.extensions) = ("extensions", random.bytes(1 + random.below(256)))
    case 16: (note, raw.extensions) = ("long extensions", random.bytes(257))
    case 17:
      note = "another bucket"
      raw.byteCount = IdentityPayload.bucketByteCounts.first { $0 > honest.encoded.count } ?? 8192
    case 18: (note, raw.padding) = ("padding", 1)
    default: note = "nothing"
    }
    if isSigned, isSignedLast {
      note += ", signed anew"
      raw.sign(
        h: statement.h, s: statement.s, audience: Array((statement.audience?.string ?? "").utf8), key: party.ed25519)
    }
    let encoded = raw.encoded
    return IdentityPayload.bucketByteCounts.contains(encoded.count) ? encoded : honest.encoded
  }

  private static func receiverRole(_ role: UInt8) -> UInt8 { role ^ UInt8(ascii: "I") ^ UInt8(ascii: "R") }
}
