public import ParleyCrypto
import ParleyWire

/// The `CipherState` of Noise revision 34 section 5.1: a key and a counter of messages.
///
/// Without a key it passes bytes through, as a handshake does before its first Diffie-Hellman.
public struct CipherState: ~Copyable, Sendable {
  private let cipher: NoiseCipher
  private var key: SecretBytes?
  private var aead: AEAD?

  /// The number of the next message.
  public private(set) var nonce: UInt64 = 0

  /// Bytes that an encrypted message has more than its plaintext.
  public static let tagByteCount = AES256GCM.tagByteCount

  /// A state without a key.
  init(_ cipher: NoiseCipher) {
    self.cipher = cipher
    key = nil
    aead = nil
  }

  /// `InitializeKey(key)`.
  ///
  /// - Precondition: `key` has 32 bytes.
  public init(_ cipher: NoiseCipher, key: SecretBytes) {
    self.cipher = cipher
    self.key = key
    aead = AEAD(cipher, key: key)
  }

  /// `HasKey()`.
  public var hasKey: Bool { key != nil }

  /// `SetNonce(nonce)`: for transports that lose or reorder messages, and number them themselves.
  public mutating func setNonce(_ nonce: UInt64) { self.nonce = nonce }

  /// `Rekey()`: goes on to a key from which the last one cannot be found.
  ///
  /// The counter goes on too.
  ///
  /// - Precondition: there is a key.
  public mutating func rekey() {
    guard aead != nil else { preconditionFailure("there is no key to go on from") }
    // REKEY of section 4.2: what encrypting 32 zero bytes under the reserved number gives, without its tag.
    var output = [UInt8]()
    output.reserveCapacity(32 + Self.tagByteCount)
    aead?.seal([UInt8](repeating: 0, count: 32).rawSpan, nonce: .max, ad: [], to: &output)
    let next = SecretBytes(taking: &output)[0..<32]
    key = next
    aead = AEAD(cipher, key: next)
  }

  /// `EncryptWithAd(ad, plaintext)`, appended to `output`.
  ///
  /// - Throws: ``NoiseError/nonceExhausted``; nothing has happened then.
  public mutating func encrypt(
    _ plaintext: RawSpan, ad: [UInt8] = [], appendingTo output: inout [UInt8]
  ) throws(NoiseError) {
    guard hasKey else { return output.append(contentsOf: plaintext) }
    guard nonce < .max else { throw .nonceExhausted }
    aead?.seal(plaintext, nonce: nonce, ad: ad, to: &output)
    nonce += 1
  }

  /// `DecryptWithAd(ad, ciphertext)`, appended to `output`.
  ///
  /// - Throws: ``NoiseError/decryptionFailed``, or ``NoiseError/nonceExhausted``; `output` and the counter are then as
  ///   they were.
  public mutating func decrypt(
    _ ciphertext: RawSpan, ad: [UInt8] = [], appendingTo output: inout [UInt8]
  ) throws(NoiseError) {
    guard hasKey else { return output.append(contentsOf: ciphertext) }
    guard nonce < .max else { throw .nonceExhausted }
    do throws(CryptoError) {
      try aead?.open(ciphertext, nonce: nonce, ad: ad, to: &output)
    } catch {
      throw .decryptionFailed
    }
    nonce += 1
  }
}

/// One of the two ciphers under a key, with Noise's numbering (section 12).
private enum AEAD: ~Copyable, Sendable {
  case aesGCM(AES256GCM)
  case chaChaPoly(ChaCha20Poly1305)

  init(_ cipher: NoiseCipher, key: SecretBytes) {
    switch cipher {
    case .aesGCM: self = .aesGCM(AES256GCM(key: key))
    case .chaChaPoly: self = .chaChaPoly(ChaCha20Poly1305(key: key))
    }
  }

  mutating func seal(_ plaintext: RawSpan, nonce: UInt64, ad: [UInt8], to output: inout [UInt8]) {
    switch consume self {
    case .aesGCM(var cipher):
      cipher.seal(plaintext, nonce: .init(counter: nonce), additionalData: ad.rawSpan, appendingTo: &output)
      self = .aesGCM(cipher)
    case .chaChaPoly(var cipher):
      cipher.seal(plaintext, nonce: .init(counter: nonce), additionalData: ad.rawSpan, appendingTo: &output)
      self = .chaChaPoly(cipher)
    }
  }

  mutating func open(
    _ sealed: RawSpan, nonce: UInt64, ad: [UInt8], to output: inout [UInt8]
  ) throws(CryptoError) {
    switch consume self {
    case .aesGCM(var cipher):
      do throws(CryptoError) {
        try cipher.open(sealed, nonce: .init(counter: nonce), additionalData: ad.rawSpan, appendingTo: &output)
        self = .aesGCM(cipher)
      } catch {
        self = .aesGCM(cipher)
        throw error
      }
    case .chaChaPoly(var cipher):
      do throws(CryptoError) {
        try cipher.open(sealed, nonce: .init(counter: nonce), additionalData: ad.rawSpan, appendingTo: &output)
        self = .chaChaPoly(cipher)
      } catch {
        self = .chaChaPoly(cipher)
        throw error
      }
    }
  }
}
