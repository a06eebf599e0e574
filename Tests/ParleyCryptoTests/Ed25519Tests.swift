import ParleyWire
import TestSupport
import Testing

@testable import ParleyCrypto

@Suite("Ed25519")
struct Ed25519Tests {
  static let smallOrder: [[UInt8]] = {
    let hex = [
      "0000000000000000000000000000000000000000000000000000000000000000",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ]
    return hex.flatMap { text in
      let point = [UInt8](hex: text)!
      return [point, point.dropLast() + [point[31] | 0x80]]
    }
  }()

  @Test("signs and verifies (RFC 8032 section 7.1 test 2)")
  func knownAnswer() throws {
    let key = Ed25519.SigningKey(
      seed: try SecretBytes(hex: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    #expect(key.publicKey.raw.hex == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    #expect(key.seed.copied.hex == "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    let signature = key.sign([0x72])
    #expect(
      signature.hex
        == "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")
    #expect(key.publicKey.isValid(signature: signature, for: [0x72]))
    #expect(!key.publicKey.isValid(signature: signature, for: [0x73]))
    #expect(!key.publicKey.isValid(signature: signature, for: []))
    #expect(!Ed25519.SigningKey().publicKey.isValid(signature: signature, for: [0x72]))
  }

  @Test("no bit of a signature can change, and no byte be missing or added")
  func everyBit() {
    let key = Ed25519.SigningKey()
    let message = Array("sell 5 at 0.0450".utf8)
    let signature = key.sign(message)
    for bit in 0..<512 {
      var changed = signature
      changed[bit / 8] ^= 1 << (bit % 8)
      #expect(!key.publicKey.isValid(signature: changed, for: message), "bit \(bit)")
    }
    for count in 0..<64 { #expect(!key.publicKey.isValid(signature: Array(signature[..<count]), for: message)) }
    #expect(!key.publicKey.isValid(signature: signature + [0], for: message))
    #expect(key.publicKey.isValid(signature: signature, for: message))
  }

  @Test("S + L is refused, though the equation holds")
  func malleability() throws {
    // The group order, little endian.
    let order = try bytes("edd3f55c1a631258d69cf7a2def9de14" + "00000000000000000000000000000010")
    let key = Ed25519.SigningKey()
    let signature = key.sign([1, 2, 3])
    var changed = Array(signature[..<32])
    var carry = 0
    for (left, right) in zip(signature[32...], order) {
      carry += Int(left) + Int(right)
      changed.append(UInt8(carry & 0xFF))
      carry >>= 8
    }
    #expect(carry == 0)
    #expect(key.publicKey.isValid(signature: signature, for: [1, 2, 3]))
    #expect(!key.publicKey.isValid(signature: changed, for: [1, 2, 3]))
  }

  @Test("small-order keys are no keys, in all 14 encodings", arguments: smallOrder)
  func smallOrderKey(point: [UInt8]) {
    #expect(throws: CryptoError.invalidPublicKey) { try Ed25519.PublicKey(raw: point) }
    // R of small order, whatever S is.
    let key = Ed25519.SigningKey()
    #expect(!key.publicKey.isValid(signature: point + [UInt8](repeating: 0, count: 32), for: [7]))
  }

  @Test("a y coordinate of p or more, and one without a point, are refused")
  func encodings() throws {
    // y = p + 3 decodes to the point with y = 3, which exists, if an implementation reduces.
    let nonCanonical = try bytes("f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")
    #expect(throws: CryptoError.invalidPublicKey) { try Ed25519.PublicKey(raw: nonCanonical) }
    #expect(try Ed25519.PublicKey(raw: [3] + [UInt8](repeating: 0, count: 31)).raw[0] == 3)
    #expect(throws: CryptoError.invalidPublicKey) {
      try Ed25519.PublicKey(raw: [2] + [UInt8](repeating: 0, count: 31))
    }
    for count in [0, 31, 33] {
      #expect(throws: CryptoError.wrongLength(count, expected: 32)) {
        try Ed25519.PublicKey(raw: [UInt8](repeating: 3, count: count))
      }
    }
  }
}

@Suite("Ed25519, public vectors", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct Ed25519VectorTests {
  /// What this program makes of a signature by a key from outside.
  private func isValid(key: String, signature: String, message: [UInt8]) throws -> Bool {
    guard let key = try? Ed25519.PublicKey(raw: bytes(key)) else { return false }
    return key.isValid(signature: try bytes(signature), for: message)
  }

  @Test("Wycheproof")
  func wycheproof() throws {
    struct Group: Decodable {
      struct Key: Decodable { let pk: String }
      struct Case: Decodable { let tcId: Int, msg: String, sig: String, result: String }
      let publicKey: Key
      let tests: [Case]
    }
    var count = 0
    for group in try SharedVectors.json("wycheproof/ed25519_test.json", as: Wycheproof<Group>.self).testGroups {
      for test in group.tests {
        let valid = try isValid(key: group.publicKey.pk, signature: test.sig, message: try bytes(test.msg))
        #expect(valid == (test.result == "valid"), "case \(test.tcId)")
        count += 1
      }
    }
    #expect(count == 151)
  }

  @Test("CCTV: only a component of small order that cancels out passes")
  func cctv() throws {
    struct Case: Decodable { let number: Int, key: String, sig: String, msg: String, flags: [String]? }
    let tests = try SharedVectors.json("cctv/ed25519vectors.json", as: [Case].self)
    #expect(tests.count == 914)
    var accepted = 0
    for test in tests {
      let expected = Set(test.flags ?? []).isSubset(of: ["low_order_component_A", "low_order_component_R"])
      let valid = try isValid(key: test.key, signature: test.sig, message: Array(test.msg.utf8))
      #expect(valid == expected, "vector \(test.number), \(test.flags ?? [])")
      if valid { accepted += 1 }
    }
    #expect(accepted > 0)
  }

  @Test("ed25519-speccheck: case 3 alone passes, as with the strict verifiers of its table")
  func speccheck() throws {
    struct Case: Decodable { let message: String, pub_key: String, signature: String }
    let tests = try SharedVectors.json("cctv/ed25519_speccheck_cases.json", as: [Case].self)
    #expect(tests.count == 12)
    for (index, test) in tests.enumerated() {
      let valid = try isValid(key: test.pub_key, signature: test.signature, message: try bytes(test.message))
      #expect(valid == (index == 3), "case \(index)")
    }
  }

  @Test("ZIP 215: none of the small-order cases passes")
  func zip215() throws {
    struct Case: Decodable { let vk_bytes: String, sig_bytes: String }
    let tests = try SharedVectors.json("cctv/ed25519_zip215.json", as: [Case].self)
    #expect(tests.count == 196)
    for test in tests {
      #expect(!(try isValid(key: test.vk_bytes, signature: test.sig_bytes, message: Array("Zcash".utf8))))
    }
  }

  @Test("RFC 8032")
  func rfc8032() throws {
    struct Case: Decodable {
      let name: String, secretKey: String, publicKey: String, message: String, signature: String
    }
    for test in try SharedVectors.json("rfc/rfc8032_ed25519.json", as: [Case].self) {
      let key = Ed25519.SigningKey(seed: try SecretBytes(hex: test.secretKey))
      #expect(key.publicKey.raw.hex == test.publicKey)
      #expect(key.sign(try bytes(test.message)).hex == test.signature, "\(test.name)")
      #expect(try isValid(key: test.publicKey, signature: test.signature, message: try bytes(test.message)))
    }
  }
}
