import ParleyWire
import TestSupport
import Testing

@testable import ParleyCrypto

@Suite("ML-DSA-65")
struct MLDSA65Tests {
  static let key = MLDSA65.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 0x2A, count: 32)))

  @Test("known answers: key generation and deterministic signing, without and with a context")
  func knownAnswer() throws {
    #expect(
      SHA256.hash(Self.key.publicKey.raw).hex == "b7acce2ddb11f8cc1aa46e2bafac6eacfa2b732ef192bd636ad8d3a56d649c66")
    #expect(Self.key.seed.copied == [UInt8](repeating: 0x2A, count: 32))
    let message = Array("Hello world".utf8)
    let plain = Self.key.sign(message, context: "", randomness: .deterministic)
    #expect(SHA256.hash(plain).hex == "39fbbb0d97a52c79844213b325af823a7f16a174e00a5b3daeb3e6e6d1c89681")
    let bound = Self.key.sign(message, context: "Context", randomness: .deterministic)
    #expect(SHA256.hash(bound).hex == "c32dd9c1fdb53c049ebb75d98604d27593e32f5da2b1201c9289692de6ebea2e")
    #expect(Self.key.publicKey.isValid(signature: bound, for: message, context: "Context"))
    #expect(!Self.key.publicKey.isValid(signature: bound, for: message, context: "context"))
    #expect(!Self.key.publicKey.isValid(signature: bound, for: message, context: ""))
  }

  @Test("hedged signatures differ and verify; a changed one, or another message or key, does not")
  func hedged() {
    let message: [UInt8] = [1, 2, 3]
    let one = Self.key.sign(message, context: "parley/psc1")
    let other = Self.key.sign(message, context: "parley/psc1")
    #expect(one != other)
    let valid = { (signature: [UInt8], message: [UInt8]) in
      Self.key.publicKey.isValid(signature: signature, for: message, context: "parley/psc1")
    }
    #expect(valid(one, message) && valid(other, message))
    for index in [0, 47, 48, 1000, 3247, 3308] {
      var changed = one
      changed[index] ^= 1
      #expect(!valid(changed, message), "byte \(index)")
    }
    #expect(!valid(one, [1, 2]))
    #expect(!valid(Array(one.dropLast()), message))
    #expect(!valid(one + [0], message))
    #expect(!valid([], message))
    #expect(!MLDSA65.SigningKey().publicKey.isValid(signature: one, for: message, context: "parley/psc1"))
    let longest = [UInt8](repeating: 7, count: 255)
    let signature = Self.key.sign(message, context: longest)
    #expect(Self.key.publicKey.isValid(signature: signature, for: message, context: longest))
    #expect(!Self.key.publicKey.isValid(signature: signature, for: message, context: longest + [7]))
  }

  @Test("a public key has 1952 bytes")
  func publicKeyLength() {
    for count in [0, 1951, 1953] {
      #expect(throws: CryptoError.wrongLength(count, expected: 1952)) {
        try MLDSA65.PublicKey(raw: [UInt8](repeating: 0, count: count))
      }
    }
  }

  @Test("a context of 256 bytes traps when signing")
  func contextLimit() async {
    await #expect(processExitsWith: .failure) {
      _ = MLDSA65.SigningKey().sign([], context: [UInt8](repeating: 0, count: 256))
    }
  }
}

@Suite("ML-DSA-65, public vectors", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct MLDSA65VectorTests {
  @Test("Wycheproof verification")
  func verification() throws {
    struct Group: Decodable {
      struct Case: Decodable { let tcId: Int, msg: String, ctx: String?, sig: String, result: String }
      let publicKey: String
      let tests: [Case]
    }
    var counts = [String: Int]()
    for group in try SharedVectors.json("wycheproof/mldsa_65_verify_test.json", as: Wycheproof<Group>.self).testGroups {
      let key = try? MLDSA65.PublicKey(raw: bytes(group.publicKey))
      for test in group.tests {
        let valid = try key?.isValid(
          signature: bytes(test.sig), for: bytes(test.msg), context: bytes(test.ctx ?? ""))
        #expect((valid ?? false) == (test.result == "valid"), "case \(test.tcId)")
        counts[test.result, default: 0] += 1
      }
    }
    #expect(counts == ["valid": 79, "invalid": 131])
  }

  @Test("Wycheproof deterministic signing from a seed")
  func signing() throws {
    struct Group: Decodable {
      struct Case: Decodable {
        let tcId: Int, msg: String?, ctx: String?, sig: String?, rnd: String?, result: String, flags: [String]
      }
      let privateSeed: String, publicKey: String?
      let tests: [Case]
    }
    var signed = 0
    for group in try SharedVectors.json("wycheproof/mldsa_65_sign_seed_test.json", as: Wycheproof<Group>.self)
      .testGroups
    {
      let seed = try SecretBytes(hex: group.privateSeed)
      for test in group.tests {
        guard test.result == "valid" else {
          let tooLong = (test.ctx?.count ?? 0) / 2 > MLDSA65.contextByteLimit
          #expect(seed.count != MLDSA65.seedByteCount || tooLong, "case \(test.tcId): refused by precondition")
          continue
        }
        let key = MLDSA65.SigningKey(seed: seed)
        #expect(key.publicKey.raw.hex == group.publicKey)
        // Cases without a message give the inner hash only, and one gives its randomness.
        guard let message = test.msg, let expected = test.sig, test.rnd == nil else { continue }
        let signature = key.sign(try bytes(message), context: try bytes(test.ctx ?? ""), randomness: .deterministic)
        #expect(signature.hex == expected, "case \(test.tcId)")
        signed += 1
      }
    }
    #expect(signed == 83)
  }

  @Test("ACVP key generation, signing from a seed and verification")
  func acvp() throws {
    struct KeyGroup: Decodable {
      struct Case: Decodable {
        struct Answer: Decodable { let pk: String }
        let tcId: Int, seed: String, expected: Answer
      }
      let tests: [Case]
    }
    for group in try SharedVectors.json("acvp/ML-DSA-65-keyGen.json", as: ACVP<KeyGroup>.self).testGroups {
      for test in group.tests {
        let key = MLDSA65.SigningKey(seed: try SecretBytes(hex: test.seed))
        #expect(key.publicKey.raw == (try bytes(test.expected.pk)), "key \(test.tcId)")
      }
    }
    struct SignGroup: Decodable {
      struct Case: Decodable {
        struct Answer: Decodable { let signature: String }
        let tcId: Int, message: String, seed: String, context: String, expected: Answer
      }
      let deterministic: Bool
      let tests: [Case]
    }
    for group in try SharedVectors.json("acvp/ML-DSA-65-sigGen-seed-tr1.json", as: ACVP<SignGroup>.self).testGroups {
      for test in group.tests {
        let key = MLDSA65.SigningKey(seed: try SecretBytes(hex: test.seed))
        let message = try bytes(test.message)
        let context = try bytes(test.context)
        let expected = try bytes(test.expected.signature)
        #expect(key.publicKey.isValid(signature: expected, for: message, context: context), "signature \(test.tcId)")
        if group.deterministic {
          #expect(key.sign(message, context: context, randomness: .deterministic) == expected, "signature \(test.tcId)")
        }
      }
    }
    struct VerifyGroup: Decodable {
      struct Case: Decodable {
        struct Answer: Decodable { let testPassed: Bool }
        let tcId: Int, pk: String, message: String?, context: String?, signature: String, expected: Answer
      }
      let signatureInterface: String, preHash: String?
      let tests: [Case]
    }
    var verified = 0
    for group in try SharedVectors.json("acvp/ML-DSA-65-sigVer.json", as: ACVP<VerifyGroup>.self).testGroups
    where group.signatureInterface == "external" && group.preHash == "pure" {
      for test in group.tests {
        let valid = try? MLDSA65.PublicKey(raw: bytes(test.pk)).isValid(
          signature: bytes(test.signature), for: bytes(test.message ?? ""), context: bytes(test.context ?? ""))
        #expect((valid ?? false) == test.expected.testPassed, "verification \(test.tcId)")
        verified += 1
      }
    }
    #expect(verified == 15)
  }
}
