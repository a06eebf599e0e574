import ParleyWire
import TestSupport
import Testing

@testable import ParleyCrypto

@Suite("AES-256-GCM")
struct AES256GCMTests {
  static let key = "92ace3e348cd821092cd921aa3546374299ab46209691bc28b8752d17f123c20"

  @Test("a known answer, sealed and opened, many times with one context")
  func knownAnswer() throws {
    var cipher = AES256GCM(key: try SecretBytes(hex: Self.key))
    let nonce = AES256GCM.Nonce(try bytes("00112233445566778899aabb"))
    let data = try bytes("00000000ffffffff")
    let text = try bytes("00010203040506070809")
    for _ in 0..<3 {
      var sealed: [UInt8] = [0xEE]
      cipher.seal(text.span.bytes, nonce: nonce, additionalData: data.span.bytes, appendingTo: &sealed)
      #expect(sealed.hex == "eee27abdd2d2a53d2f136b9a4a2579529301bcfb71c78d4060f52c")
      var opened: [UInt8] = [0xDD]
      try cipher.open(
        sealed.span.extracting(1...).bytes, nonce: nonce, additionalData: data.span.bytes, appendingTo: &opened)
      #expect(opened == [0xDD] + text)
    }
  }

  @Test("every changed bit, and every cut, is refused and leaves nothing behind")
  func forgery() throws {
    var cipher = AES256GCM(key: .random(count: 32))
    let nonce = AES256GCM.Nonce(counter: 7)
    let data: [UInt8] = [1, 2, 3]
    var sealed = [UInt8]()
    cipher.seal([UInt8](0..<21).span.bytes, nonce: nonce, additionalData: data.span.bytes, appendingTo: &sealed)
    func refuses(
      _ sealed: [UInt8], _ cipher: inout AES256GCM, nonce: AES256GCM.Nonce, data: [UInt8]
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
    var other = AES256GCM(key: .random(count: 32))
    #expect(refuses(sealed, &other, nonce: nonce, data: data))
    // After all those refusals the context still opens what is genuine.
    #expect(!refuses(sealed, &cipher, nonce: nonce, data: data))
  }

  @Test("in place: the refused text is overwritten, what stands before it is not")
  func inPlace() throws {
    var cipher = AES256GCM(key: .random(count: 32))
    let nothing = [UInt8]()
    var buffer: [UInt8] = [9, 9] + [UInt8](repeating: 0x41, count: 40)
    cipher.seal(&buffer, from: 2, nonce: .init(counter: 0), additionalData: nothing.span.bytes)
    #expect(buffer.count == 58)
    var forged = buffer
    forged[57] ^= 1
    #expect(throws: CryptoError.authenticationFailed) {
      try cipher.open(&forged, from: 2, nonce: .init(counter: 0), additionalData: nothing.span.bytes)
    }
    #expect(Array(forged[2..<42]) == [UInt8](repeating: 0, count: 40))
    #expect(Array(forged[..<2]) == [9, 9])
    try cipher.open(&buffer, from: 2, nonce: .init(counter: 0), additionalData: nothing.span.bytes)
    #expect(buffer == [9, 9] + [UInt8](repeating: 0x41, count: 40))
  }

  @Test("empty text: a tag alone")
  func empty() throws {
    var cipher = AES256GCM(key: SecretBytes(count: 32))
    let nothing = [UInt8]()
    var sealed = [UInt8]()
    cipher.seal(nothing.span.bytes, nonce: .init(counter: 0), additionalData: nothing.span.bytes, appendingTo: &sealed)
    // The GCM specification's test case 13.
    #expect(sealed.hex == "530f8afbc74536b9a963b4f1c4cb738b")
    var opened = [UInt8]()
    try cipher.open(
      sealed.span.bytes, nonce: .init(counter: 0), additionalData: nothing.span.bytes, appendingTo: &opened)
    #expect(opened == [])
  }

  @Test("nonces: a counter in the last eight bytes, masked into an initial value")
  func nonces() {
    #expect(AES256GCM.Nonce(counter: 0x0102) == AES256GCM.Nonce([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]))
    let initial = AES256GCM.Nonce([UInt8](0xF0...0xFB))
    #expect(initial.masked(by: 0) == initial)
    #expect(
      initial.masked(by: 0x0100_0000_0000_0001)
        == AES256GCM.Nonce([0xF0, 0xF1, 0xF2, 0xF3, 0xF5, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA, 0xFA]))
  }

  @Test("a key of another length traps")
  func keyLength() async {
    await #expect(processExitsWith: .failure) { _ = AES256GCM(key: SecretBytes(count: 16)) }
  }
}

@Suite("AES-256-GCM, public vectors", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct AES256GCMVectorTests {
  @Test("Wycheproof, 256-bit keys with 96-bit nonces")
  func wycheproof() throws {
    struct Group: Decodable {
      struct Case: Decodable {
        let tcId: Int, key: String, iv: String, aad: String, msg: String, ct: String, tag: String, result: String
      }
      let ivSize: Int, keySize: Int, tagSize: Int
      let tests: [Case]
    }
    var counts = [String: Int]()
    for group in try SharedVectors.json("wycheproof/aes_gcm_test.json", as: Wycheproof<Group>.self).testGroups
    where group.keySize == 256 && group.ivSize == 96 && group.tagSize == 128 {
      for test in group.tests {
        var cipher = AES256GCM(key: try SecretBytes(hex: test.key))
        let nonce = AES256GCM.Nonce(try bytes(test.iv))
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
    #expect(counts["valid", default: 0] > 20 && counts["invalid", default: 0] > 20, "\(counts)")
  }
}
