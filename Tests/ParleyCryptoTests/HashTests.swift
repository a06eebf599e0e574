import ParleyWire
import TestSupport
import Testing

@testable import ParleyCrypto

@Suite("SHA-256, HMAC and HKDF")
struct HashTests {
  @Test("SHA-256 of abc and of nothing (FIPS 180-4)")
  func sha256() throws {
    #expect(
      SHA256.hash(Array("abc".utf8)).hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    #expect(SHA256.hash().hex == empty)
    #expect(SHA256.hash([], []).hex == empty)
    #expect(SHA256.hash([UInt8]().span.bytes).hex == empty)
    #expect(SHA256().finalize().hex == empty)
  }

  @Test("parts hash like their concatenation, cut anywhere")
  func incremental() {
    let message = [UInt8](0..<200)
    let whole = SHA256.hash(message)
    for cut in message.indices {
      var hash = SHA256()
      hash.update(Array(message[..<cut]))
      hash.update(message.span.extracting(cut...).bytes)
      #expect(hash.finalize() == whole)
      #expect(SHA256.hash(Array(message[..<cut]), Array(message[cut...])) == whole)
    }
  }

  @Test("BLAKE2s of abc (RFC 7693 appendix B) and of nothing, whole and in parts")
  func blake2s() {
    let abc = "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"
    #expect(HashFunction.blake2s.hash(Array("abc".utf8)).hex == abc)
    #expect(HashFunction.blake2s.hash(Array("a".utf8), [], Array("bc".utf8)).hex == abc)
    // Python: hashlib.blake2s(b"")
    #expect(
      HashFunction.blake2s.hash().hex == "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9")
    #expect(HashFunction.sha256.hash(Array("a".utf8), Array("bc".utf8)) == SHA256.hash(Array("abc".utf8)))
  }

  @Test("HMAC with BLAKE2s, as the extraction of HKDF, with a key shorter and one longer than a block")
  func blake2sHMAC() {
    // Python: hmac.new(b"key", message, "blake2s")
    let message = SecretBytes(copying: Array("The quick brown fox jumps over the lazy dog".utf8))
    #expect(
      HashFunction.blake2s.extract(salt: Array("key".utf8), ikm: message).copied.hex
        == "f93215bb90d4af4c3061cd932fb169fb8bb8a91d0b4022baea1271e1323cd9a0")
    #expect(
      HashFunction.blake2s.extract(salt: [UInt8](0..<100), ikm: SecretBytes(copying: Array("m".utf8))).copied.hex
        == "75db33c25a6f98e43bd881928c8c80bff0bb9e7b0d0dada591db163b88627b15")
  }

  @Test("HMAC (RFC 4231 case 2)")
  func hmac() throws {
    let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    let message = Array("what do ya want for nothing?".utf8)
    #expect(HMACSHA256.authenticate(message, key: Array("Jefe".utf8)).hex == expected)
    #expect(HMACSHA256.authenticate(message, key: SecretBytes(copying: Array("Jefe".utf8))).hex == expected)
    // Python: hmac.new(b"", b"", "sha256")
    #expect(
      HMACSHA256.authenticate([], key: []).hex == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
  }

  @Test("HKDF (RFC 5869 cases 1 and 3)")
  func hkdf() throws {
    let ikm = SecretBytes(copying: [UInt8](repeating: 0x0B, count: 22))
    let prk = HKDFSHA256.extract(salt: [UInt8](0...12), ikm: ikm)
    #expect(prk.copied.hex == "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
    #expect(
      HKDFSHA256.expand(prk: prk, info: [UInt8](0xF0...0xF9), count: 42).copied.hex
        == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
    let unsalted = HKDFSHA256.extract(salt: [], ikm: ikm)
    #expect(unsalted.copied.hex == "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04")
    #expect(HKDFSHA256.extract(salt: SecretBytes(count: 0), ikm: ikm).copied == unsalted.copied)
    #expect(
      HKDFSHA256.expand(prk: unsalted, info: [], count: 42).copied.hex
        == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")
    #expect(HKDFSHA256.expand(prk: prk, info: [], count: 0).count == 0)
    #expect(HKDFSHA256.expand(prk: prk, info: [], count: 8160).count == 8160)
  }

  @Test("more output than HKDF has traps")
  func hkdfLimit() async {
    await #expect(processExitsWith: .failure) {
      _ = HKDFSHA256.expand(prk: SecretBytes(count: 32), info: [], count: 8161)
    }
  }
}

@Suite(
  "HMAC and HKDF, public vectors",
  .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct HashVectorTests {
  @Test("Wycheproof HMAC-SHA-256")
  func hmac() throws {
    struct Group: Decodable {
      struct Case: Decodable { let tcId: Int, key: String, msg: String, tag: String, result: String }
      let tagSize: Int
      let tests: [Case]
    }
    var counts = [String: Int]()
    for group in try SharedVectors.json("wycheproof/hmac_sha256_test.json", as: Wycheproof<Group>.self).testGroups {
      for test in group.tests {
        let tag = HMACSHA256.authenticate(try bytes(test.msg), key: try bytes(test.key)).prefix(group.tagSize / 8)
        #expect((Array(tag).hex == test.tag) == (test.result == "valid"), "case \(test.tcId)")
        counts[test.result, default: 0] += 1
      }
    }
    #expect(counts.values.reduce(0, +) == 174)
  }

  @Test("Wycheproof HKDF-SHA-256")
  func hkdf() throws {
    struct Group: Decodable {
      struct Case: Decodable {
        let tcId: Int, ikm: String, salt: String, info: String, size: Int, okm: String, result: String
      }
      let tests: [Case]
    }
    var valid = 0
    for group in try SharedVectors.json("wycheproof/hkdf_sha256_test.json", as: Wycheproof<Group>.self).testGroups {
      for test in group.tests {
        guard test.result == "valid" else {
          #expect(test.size > 8160, "case \(test.tcId): refused by precondition")
          continue
        }
        let prk = HKDFSHA256.extract(salt: try bytes(test.salt), ikm: try SecretBytes(hex: test.ikm))
        let okm = HKDFSHA256.expand(prk: prk, info: try bytes(test.info), count: test.size)
        #expect(okm.copied.hex == test.okm, "case \(test.tcId)")
        valid += 1
      }
    }
    #expect(valid == 83)
  }

  @Test("RFC 4231 and RFC 5869")
  func rfcs() throws {
    struct MAC: Decodable { let Len: String, Key: String, Msg: String, MD: String }
    for test in try SharedVectors.json("rfc/rfc4231_hmac_sha256.json", as: [MAC].self) {
      #expect(HMACSHA256.authenticate(try bytes(test.Msg), key: try bytes(test.Key)).hex == test.MD)
    }
    struct KDF: Decodable { let IKM: String, salt: String?, info: String?, L: String, PRK: String, OKM: String }
    let tests = try SharedVectors.json("rfc/rfc5869_hkdf_sha256.json", as: [KDF].self)
    #expect(tests.count == 3)
    for test in tests {
      let prk = HKDFSHA256.extract(salt: try bytes(test.salt ?? ""), ikm: try SecretBytes(hex: test.IKM))
      #expect(prk.copied.hex == test.PRK)
      let count = try #require(Int(test.L))
      #expect(HKDFSHA256.expand(prk: prk, info: try bytes(test.info ?? ""), count: count).copied.hex == test.OKM)
    }
  }
}
