import ParleyCrypto
import ParleyNoise
import ParleyWire
import Testing

extension CipherState {
  fileprivate mutating func seal(_ text: [UInt8], ad: [UInt8] = []) throws(NoiseError) -> [UInt8] {
    var output = [UInt8]()
    try encrypt(text.rawSpan, ad: ad, appendingTo: &output)
    return output
  }

  fileprivate mutating func open(_ sealed: [UInt8], ad: [UInt8] = []) throws(NoiseError) -> [UInt8] {
    var output = [UInt8]()
    try decrypt(sealed.rawSpan, ad: ad, appendingTo: &output)
    return output
  }
}

@Suite("CipherState")
struct CipherStateTests {
  static let key = SecretBytes(copying: [UInt8](0..<32))

  @Test(
    "messages are numbered from 0, and one that does not open leaves the number as it was",
    arguments: NoiseCipher.allCases)
  func numbers(cipher: NoiseCipher) throws {
    var sending = CipherState(cipher, key: Self.key)
    var receiving = CipherState(cipher, key: Self.key)
    let messages = try (0..<3).map { try sending.seal([UInt8]($0..<9), ad: [7]) }
    #expect(sending.nonce == 3)
    #expect(Set(messages).count == 3)
    #expect(throws: NoiseError.decryptionFailed) { try receiving.open(messages[1], ad: [7]) }
    #expect(throws: NoiseError.decryptionFailed) { try receiving.open(messages[0], ad: [8]) }
    #expect(throws: NoiseError.decryptionFailed) { try receiving.open(Array(messages[0].dropLast()), ad: [7]) }
    #expect(throws: NoiseError.decryptionFailed) { try receiving.open([], ad: [7]) }
    #expect(receiving.nonce == 0)
    for (index, message) in messages.enumerated() {
      #expect(try receiving.open(message, ad: [7]) == [UInt8](UInt8(index)..<9))
    }
    // A replay.
    #expect(throws: NoiseError.decryptionFailed) { try receiving.open(messages[2], ad: [7]) }
    receiving.setNonce(1)
    #expect(try receiving.open(messages[1], ad: [7]) == [UInt8](1..<9))
  }

  @Test("what is refused leaves the output as it was")
  func output() throws {
    var receiving = CipherState(.chaChaPoly, key: Self.key)
    var output: [UInt8] = [1, 2]
    #expect(throws: NoiseError.decryptionFailed) {
      try receiving.decrypt([UInt8](repeating: 3, count: 40).rawSpan, appendingTo: &output)
    }
    #expect(output == [1, 2])
  }

  @Test("the last number, 2^64 - 1, is never used for a message", arguments: NoiseCipher.allCases)
  func exhaustion(cipher: NoiseCipher) throws {
    var sending = CipherState(cipher, key: Self.key)
    var receiving = CipherState(cipher, key: Self.key)
    sending.setNonce(.max - 1)
    receiving.setNonce(.max - 1)
    let last = try sending.seal([1])
    #expect(throws: NoiseError.nonceExhausted) { try sending.seal([1]) }
    #expect(try receiving.open(last) == [1])
    #expect(throws: NoiseError.nonceExhausted) { try receiving.open(last) }
  }

  @Test("a new key is what encrypting 32 zero bytes under number 2^64 - 1 gives (section 4.2)")
  func rekey() throws {
    let zeros = [UInt8](repeating: 0, count: 32)
    var sealed = [UInt8]()
    var chaCha = ChaCha20Poly1305(key: Self.key)
    chaCha.seal(
      zeros.rawSpan, nonce: .init([0, 0, 0, 0] + [UInt8](repeating: 0xFF, count: 8)), additionalData: [UInt8]().rawSpan,
      appendingTo: &sealed)
    try expectRekey(.chaChaPoly, gives: Array(sealed[..<32]))
    sealed = []
    var aes = AES256GCM(key: Self.key)
    aes.seal(
      zeros.rawSpan, nonce: .init([0, 0, 0, 0] + [UInt8](repeating: 0xFF, count: 8)), additionalData: [UInt8]().rawSpan,
      appendingTo: &sealed)
    try expectRekey(.aesGCM, gives: Array(sealed[..<32]))
  }

  private func expectRekey(_ cipher: NoiseCipher, gives key: [UInt8]) throws {
    var state = CipherState(cipher, key: Self.key)
    _ = try state.seal([1])
    state.rekey()
    #expect(state.nonce == 1, "the counter goes on")
    var other = CipherState(cipher, key: SecretBytes(copying: key))
    other.setNonce(1)
    let message = try state.seal([5, 6])
    #expect(try other.open(message) == [5, 6])
    // The old key opens nothing any more.
    var old = CipherState(cipher, key: Self.key)
    old.setNonce(1)
    #expect(throws: NoiseError.decryptionFailed) { try old.open(message) }
  }
}
