import ParleyWire
import TestSupport
import Testing

@testable import ParleyCrypto

@Suite("ChaCha20-Poly1305")
struct ChaCha20Poly1305Tests {
  @Test("RFC 8439 section 2.8.2, sealed and opened, many times with one context")
  func knownAnswer() throws {
    var cipher = ChaCha20Poly1305(key: SecretBytes(copying: [UInt8](0x80...0x9F)))
    let nonce = ChaCha20Poly1305.Nonce(try bytes("070000004041424344454647"))
    let data = try bytes("50515253c0c1c2c3c4c5c6c7")
    let text = Array(
      ("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen "
        + "would be it.").utf8)
    for _ in 0..<3 {
      var sealed: [UInt8] = [0xEE]
      cipher.seal(text.span.bytes, nonce: nonce, additionalData: data.span.bytes, appendingTo: &sealed)
      #expect(
        sealed.hex
          == "eed31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b"
          + "1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3f"
          + "f4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691")
      var opened: [UInt8] = [0xDD]
      try cipher.open(
        sealed.span.extracting(1...).bytes, nonce: nonce, additionalData: data.span.bytes, appendingTo: &opened)
      #expect(opened == [0xDD] + text)
    }
  }

  @Test("every changed bit, and every cut, is refused and leaves nothing behind")
  func forgery() throws {
    var cipher = ChaCha20Poly1305(key: .random(count: 32))
    let nonce = ChaCha20Poly1305.Nonce(counter: 7)
    let data: [UInt8] = [1, 2, 3]
    var sealed = [UInt8]()
    cipher.seal([UInt8](0..<21).span.bytes, nonce: nonce, additionalData: data.span.bytes, appendingTo: &sealed)
    func refuses(
      _ sealed: [UInt8], _ cipher: inout ChaCha20Poly1305, nonce: ChaCha20Poly1305.Nonce, data: [UInt8]
    ) -> Bool {
      var output: [UInt8] = [5]
      do throws(CryptoError) {
        try cipher.open(
          sealed.span.bytes, nonce: nonce, additionalData: data.span.bytes, appendingTo: &output)
      } catch {
        return error == .authenticationFailed && output == [5]
      }
      return false
    }
    for bit in 0..<sealed.count * 8 {
      var changed = sealed
      changed[bit / 8] ^= 1 << (bit % 8)
      #expect(refuses(changed, &cipher, nonce: nonce, data: data), "bit \(bit)")
    }
    for count in 0..<sealed.count { #expect(refuses(Array(sealed[..<count]), &cipher, nonce: nonce, data: data)) }
    #expect(refuses(sealed + [0], &cipher, nonce: nonce, data: data))
    #expect(refuses(sealed, &cipher, nonce: .init(counter: 8), data: data))
    #expect(refuses(sealed, &cipher, nonce: nonce, data: [1, 2]))
    #expect(refuses(sealed, &cipher, nonce: nonce, data: []))
    // After all those refusals the context still opens what is genuine.
    #expect(!refuses(sealed, &cipher, nonce: nonce, data: data))
  }

  @Test("nonces: a counter in the last eight bytes, least significant first")
  func nonces() {
    #expect(
      ChaCha20Poly1305.Nonce(counter: 0x0102) == ChaCha20Poly1305.Nonce([0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0]))
  }

  @Test("a key of another length traps")
  func keyLength() async {
    await #expect(processExitsWith: .failure) { _ = ChaCha20Poly1305(key: SecretBytes(count: 16)) }
  }
}

@Suite(
  "ChaCha20-Poly1305, public vectors",
  .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct ChaCha20Poly1305VectorTests {
  @Test("Wycheproof, 96-bit nonces")
  func wycheproof() throws {
    struct Group: Decodable {
      struct Case: Decodable {
        let tcId: Int, key: String, iv: String, aad: String, msg: String, ct: String, tag: String, result: String
      }
      let ivSize: Int
      let tests: [Case]
    }
    var counts = [String: Int]()
    for group in try SharedVectors.json("wycheproof/chacha20_poly1305_test.json", as: Wycheproof<Group>.self)
      .testGroups
    {
      for test in group.tests {
        guard group.ivSize == 96 else {
          #expect(test.result == "invalid", "case \(test.tcId): a nonce that this type cannot hold")
          counts["other nonce", default: 0] += 1
          continue
        }
        var cipher = ChaCha20Poly1305(key: try SecretBytes(hex: test.key))
        let nonce = ChaCha20Poly1305.Nonce(try bytes(test.iv))
        let data = try bytes(test.aad)
        let sealed = try bytes(test.ct + test.tag)
        var opened = [UInt8]()
        if test.result == "valid" {
          try cipher.open(sealed.span.bytes, nonce: nonce, additionalData: data.span.bytes, appendingTo: &opened)
          #expect(opened.hex == test.msg, "case \(test.tcId)")
          var again = [UInt8]()
          cipher.seal(opened.span.bytes, nonce: nonce, additionalData: data.span.bytes, appendingTo: &again)
          #expect(again == sealed, "case \(test.tcId)")
        } else {
          #expect(throws: CryptoError.authenticationFailed, "case \(test.tcId)") {
            try cipher.open(sealed.span.bytes, nonce: nonce, additionalData: data.span.bytes, appendingTo: &opened)
          }
        }
        counts[test.result, default: 0] += 1
      }
    }
    #expect(counts == ["valid": 256, "invalid": 60, "other nonce": 9])
  }
}
