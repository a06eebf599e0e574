import ParleyWire
import TestSupport
import Testing

@testable import ParleyCrypto

@Suite("X25519")
struct X25519Tests {
  /// The seven encodings, canonical or not, whose u coordinate has small order on the curve or its twist.
  static let smallOrder = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ]

  @Test("Alice and Bob (RFC 7748 section 6.1)")
  func exchange() throws {
    let alice = X25519.PrivateKey(
      raw: try SecretBytes(hex: "77076d0a7318a57d3c16c17251b26645df4c6d2bc9c2b2d1d9fc1d5ab7a5b0b4"))
    let bob = X25519.PrivateKey(
      raw: try SecretBytes(hex: "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))
    #expect(bob.publicKey.hex == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
    #expect(try alice.sharedSecret(with: bob.publicKey).copied == bob.sharedSecret(with: alice.publicKey).copied)
  }

  @Test("a known answer (RFC 7748 section 5.2)")
  func knownAnswer() throws {
    let key = X25519.PrivateKey(
      raw: try SecretBytes(hex: "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"))
    let point = try bytes("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
    #expect(
      try key.sharedSecret(with: point).copied.hex
        == "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552")
  }

  @Test("every small-order point is refused", arguments: smallOrder)
  func smallOrderPoint(hex: String) throws {
    let key = X25519.PrivateKey()
    var point = try bytes(hex)
    #expect(throws: CryptoError.zeroSharedSecret) { try key.sharedSecret(with: point) }
    // RFC 7748 section 5: the top bit is ignored.
    point[31] |= 0x80
    #expect(throws: CryptoError.zeroSharedSecret) { try key.sharedSecret(with: point) }
  }

  @Test("another length is refused")
  func length() {
    for count in [0, 31, 33] {
      #expect(throws: CryptoError.wrongLength(count, expected: 32)) {
        try X25519.PrivateKey().sharedSecret(with: [UInt8](repeating: 9, count: count))
      }
    }
  }

  @Test("a private key of another length traps")
  func privateLength() async {
    await #expect(processExitsWith: .failure) { _ = X25519.PrivateKey(raw: SecretBytes(count: 31)) }
  }
}

@Suite("X25519, public vectors", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct X25519VectorTests {
  @Test("Wycheproof: acceptable cases are accepted, except a zero result")
  func wycheproof() throws {
    struct Group: Decodable {
      struct Case: Decodable {
        let tcId: Int, `public`: String, `private`: String, shared: String, result: String, flags: [String]
      }
      let tests: [Case]
    }
    var agreed = 0
    var refused = 0
    for group in try SharedVectors.json("wycheproof/x25519_test.json", as: Wycheproof<Group>.self).testGroups {
      for test in group.tests {
        let key = X25519.PrivateKey(raw: try SecretBytes(hex: test.private))
        if test.flags.contains("ZeroSharedSecret") {
          #expect(throws: CryptoError.zeroSharedSecret, "case \(test.tcId)") {
            try key.sharedSecret(with: bytes(test.public))
          }
          refused += 1
        } else {
          #expect(test.result != "invalid")
          #expect(try key.sharedSecret(with: bytes(test.public)).copied.hex == test.shared, "case \(test.tcId)")
          agreed += 1
        }
      }
    }
    #expect(agreed + refused == 518)
    #expect(refused == 31)
  }

  @Test("RFC 7748 known answers and 1,000 iterations")
  func rfc7748() throws {
    var scalar = [9] + [UInt8](repeating: 0, count: 31)
    var point = scalar
    for _ in 0..<1000 {
      let next = try X25519.PrivateKey(raw: SecretBytes(copying: scalar)).sharedSecret(with: point).copied
      point = scalar
      scalar = next
    }
    #expect(scalar.hex == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51")
  }
}
