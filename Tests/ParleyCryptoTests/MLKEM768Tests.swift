import Foundation
import ParleyWire
import TestSupport
import Testing

@testable import ParleyCrypto

@Suite("ML-KEM-768")
struct MLKEM768Tests {
  /// The answers are those of two other implementations, kyber-py and OpenSSL 4.0 under Python.
  @Test("a known answer of key generation, encapsulation and decapsulation")
  func knownAnswer() throws {
    let key = MLKEM768.DecapsulationKey(
      seed: try SecretBytes(
        hex: "0405d9caebc116f79b8ca30ac812de32cfdb1880a1f80e917363842633f3aace"
          + "72cda520a421feb4ead890196b2f867e79b706b254ea864084cdb88affbcb4c6"))
    #expect(
      SHA256.hash(key.encapsulationKey).hex == "63343918a7d27f575404fb6a173ce309a3c808c8d6c4988ce83d70ce5cc23ac4")
    let (ciphertext, secret) = try MLKEM768.encapsulate(
      to: key.encapsulationKey,
      randomness: try SecretBytes(hex: "b75725ecb677c6f855efb637058ab149a6a9399a7fd78a89adb5abf6ba7f4338"))
    #expect(SHA256.hash(ciphertext).hex == "ba562085778182144ef73345bb09c378e8eaed6c4262e78d5d779fc251c9e5da")
    #expect(secret.copied.hex == "af69f6fa094aaf27ea6bfefdb3bcddb1299f0456ed3beefe7f9f6c2bfd926f4f")
    #expect(try key.decapsulate(ciphertext).copied == secret.copied)
  }

  @Test("fresh keys and fresh randomness agree, and differ each time")
  func fresh() throws {
    let key = MLKEM768.DecapsulationKey()
    let one = try MLKEM768.encapsulate(to: key.encapsulationKey)
    let other = try MLKEM768.encapsulate(to: key.encapsulationKey)
    #expect(one.ciphertext != other.ciphertext)
    #expect(one.sharedSecret.copied != other.sharedSecret.copied)
    #expect(try key.decapsulate(one.ciphertext).copied == one.sharedSecret.copied)
  }

  @Test("a changed ciphertext, and one for another key, give another secret and no error")
  func implicitRejection() throws {
    let key = MLKEM768.DecapsulationKey()
    let (ciphertext, secret) = try MLKEM768.encapsulate(to: key.encapsulationKey)
    for index in [0, 500, 1087] {
      var changed = ciphertext
      changed[index] ^= 1
      #expect(try key.decapsulate(changed).copied != secret.copied)
      #expect(try key.decapsulate(changed).copied == key.decapsulate(changed).copied)
    }
    #expect(try MLKEM768.DecapsulationKey().decapsulate(ciphertext).copied != secret.copied)
  }

  @Test("lengths are checked")
  func lengths() throws {
    let key = MLKEM768.DecapsulationKey()
    for count in [0, 1087, 1089] {
      #expect(throws: CryptoError.wrongLength(count, expected: 1088)) {
        try key.decapsulate([UInt8](repeating: 0, count: count))
      }
    }
    for count in [0, 1183, 1185] {
      #expect(throws: CryptoError.wrongLength(count, expected: 1184)) {
        _ = try MLKEM768.encapsulate(to: [UInt8](repeating: 0, count: count))
      }
    }
  }

  @Test("a coefficient of q or more is refused, at either place of a pair (FIPS 203 section 7.2)")
  func modulus() throws {
    let good = MLKEM768.DecapsulationKey().encapsulationKey
    for pair in [0, 191, 383] {
      for value in [3329, 4095] {
        var first = good
        first[pair * 3] = UInt8(value & 0xFF)
        first[pair * 3 + 1] = first[pair * 3 + 1] & 0xF0 | UInt8(value >> 8)
        var second = good
        second[pair * 3 + 1] = second[pair * 3 + 1] & 0x0F | UInt8(value & 0xF) << 4
        second[pair * 3 + 2] = UInt8(value >> 4)
        for key in [first, second] {
          #expect(throws: CryptoError.invalidPublicKey) { _ = try MLKEM768.encapsulate(to: key) }
        }
      }
    }
    var largest = good
    largest[0] = 0x00
    largest[1] = largest[1] & 0xF0 | 0x0D  // 3328
    #expect(throws: Never.self) { _ = try MLKEM768.encapsulate(to: largest) }
  }
}

@Suite("ML-KEM-768, public vectors", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct MLKEM768VectorTests {
  @Test("Wycheproof decapsulation")
  func decapsulation() throws {
    struct Group: Decodable {
      struct Case: Decodable { let tcId: Int, seed: String, ek: String?, c: String, K: String?, result: String }
      let tests: [Case]
    }
    var counts = [String: Int]()
    for group in try SharedVectors.json("wycheproof/mlkem_768_test.json", as: Wycheproof<Group>.self).testGroups {
      for test in group.tests {
        counts[test.result, default: 0] += 1
        let seed = try SecretBytes(hex: test.seed)
        guard seed.count == MLKEM768.seedByteCount else {
          #expect(test.result == "invalid")  // refused by precondition
          continue
        }
        let key = MLKEM768.DecapsulationKey(seed: seed)
        let ciphertext = try bytes(test.c)
        if test.result == "valid" {
          #expect(key.encapsulationKey.hex == test.ek, "case \(test.tcId)")
          #expect(try key.decapsulate(ciphertext).copied.hex == test.K, "case \(test.tcId)")
        } else {
          #expect(throws: CryptoError.wrongLength(ciphertext.count, expected: 1088), "case \(test.tcId)") {
            try key.decapsulate(ciphertext)
          }
        }
      }
    }
    #expect(counts == ["valid": 153, "invalid": 40])
  }

  @Test("Wycheproof encapsulation")
  func encapsulation() throws {
    struct Group: Decodable {
      struct Case: Decodable { let tcId: Int, m: String, ek: String, c: String, K: String, result: String }
      let tests: [Case]
    }
    var counts = [String: Int]()
    for group in try SharedVectors.json("wycheproof/mlkem_768_encaps_test.json", as: Wycheproof<Group>.self)
      .testGroups
    {
      for test in group.tests {
        counts[test.result, default: 0] += 1
        let key = try bytes(test.ek)
        if test.result == "valid" {
          let made = try MLKEM768.encapsulate(to: key, randomness: try SecretBytes(hex: test.m))
          #expect(made.ciphertext.hex == test.c && made.sharedSecret.copied.hex == test.K, "case \(test.tcId)")
        } else {
          let expected: CryptoError = key.count == 1184 ? .invalidPublicKey : .wrongLength(key.count, expected: 1184)
          #expect(throws: expected, "case \(test.tcId)") {
            _ = try MLKEM768.encapsulate(to: key, randomness: SecretBytes(count: 32))
          }
        }
      }
    }
    #expect(counts == ["valid": 133, "invalid": 132])
  }

  @Test("Wycheproof and ACVP key generation")
  func keyGeneration() throws {
    struct Group: Decodable {
      struct Case: Decodable { let tcId: Int, seed: String, ek: String }
      let tests: [Case]
    }
    var count = 0
    for group in try SharedVectors.json("wycheproof/mlkem_768_keygen_seed_test.json", as: Wycheproof<Group>.self)
      .testGroups
    {
      for test in group.tests {
        let key = MLKEM768.DecapsulationKey(seed: try SecretBytes(hex: test.seed))
        #expect(key.encapsulationKey.hex == test.ek, "case \(test.tcId)")
        count += 1
      }
    }
    struct NISTGroup: Decodable {
      struct Case: Decodable {
        struct Answer: Decodable { let ek: String }
        let tcId: Int, d: String, z: String, expected: Answer
      }
      let tests: [Case]
    }
    for group in try SharedVectors.json("acvp/ML-KEM-768-keyGen.json", as: ACVP<NISTGroup>.self).testGroups {
      for test in group.tests {
        let key = MLKEM768.DecapsulationKey(seed: try SecretBytes(hex: test.d + test.z))
        #expect(key.encapsulationKey == (try bytes(test.expected.ek)), "ACVP case \(test.tcId)")
        count += 1
      }
    }
    #expect(count == 125)
  }

  @Test("ACVP encapsulation, key check and decapsulation from a seed")
  func acvp() throws {
    struct Group: Decodable {
      struct Case: Decodable {
        struct Answer: Decodable { let c: String?, k: String?, testPassed: Bool? }
        let tcId: Int, ek: String?, m: String?, z: String?, d: String?, c: String?, expected: Answer
      }
      let function: String
      let tests: [Case]
    }
    var counts = [String: Int]()
    for file in ["acvp/ML-KEM-768-encapDecap.json", "acvp/ML-KEM-768-decap-seed-tr1.json"] {
      for group in try SharedVectors.json(file, as: ACVP<Group>.self).testGroups {
        for test in group.tests {
          switch (group.function, test.ek, test.m, test.d) {
          case ("encapsulation", let key?, let m?, _):
            let made = try MLKEM768.encapsulate(to: bytes(key), randomness: try SecretBytes(hex: m))
            #expect(made.ciphertext == (try bytes(#require(test.expected.c))), "case \(test.tcId)")
            #expect(made.sharedSecret.copied == (try bytes(#require(test.expected.k))), "case \(test.tcId)")
          case ("encapsulationKeyCheck", let key?, _, _):
            let passes = (try? MLKEM768.encapsulate(to: bytes(key))) != nil
            #expect(passes == test.expected.testPassed, "case \(test.tcId)")
          case ("decapsulation", _, _, let d?):
            let key = MLKEM768.DecapsulationKey(seed: try SecretBytes(hex: d + #require(test.z)))
            let secret = try key.decapsulate(bytes(#require(test.c)))
            #expect(secret.copied == (try bytes(#require(test.expected.k))), "case \(test.tcId)")
          default: continue  // expanded decapsulation keys, which this program does not import
          }
          counts[group.function, default: 0] += 1
        }
      }
    }
    #expect(counts == ["encapsulation": 25, "encapsulationKeyCheck": 10, "decapsulation": 10])
  }

  @Test("CCTV: every key with a coefficient that is not reduced is refused")
  func modulus() throws {
    let text = String(decoding: try SharedVectors.data("cctv/modulus-ML-KEM-768.txt"), as: UTF8.self)
    let keys = text.split(separator: "\n")
    #expect(keys.count > 700)
    for (index, key) in keys.enumerated() {
      #expect(throws: CryptoError.invalidPublicKey, "line \(index + 1)") {
        _ = try MLKEM768.encapsulate(to: bytes(String(key)))
      }
    }
  }
}
