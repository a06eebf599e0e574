import ParleyCrypto
import ParleyWire

/// The `CipherState` of Noise revision 34 section 5.1, with AES-256-GCM: a key and a counter of messages.
///
/// Without a key it passes bytes through.
struct CipherState: ~Copyable {
  private var cipher: AES256GCM?
  private var nonce: UInt64 = 0

  /// A state without a key.
  init() { cipher = nil }

  /// `InitializeKey(key)`.
  init(key: SecretBytes) { cipher = AES256GCM(key: key) }

  /// `EncryptWithAd(ad, plaintext)`.
  mutating func encryptWithAd(_ ad: [UInt8], _ plaintext: [UInt8]) -> [UInt8] {
    guard let number = nextNonce() else { return plaintext }
    var sealed = [UInt8]()
    sealed.reserveCapacity(plaintext.count + AES256GCM.tagByteCount)
    cipher?.seal(plaintext.rawSpan, nonce: number, additionalData: ad.rawSpan, appendingTo: &sealed)
    return sealed
  }

  /// `DecryptWithAd(ad, ciphertext)`.
  mutating func decryptWithAd(_ ad: [UInt8], _ ciphertext: [UInt8]) throws(CryptoError) -> [UInt8] {
    guard let number = nextNonce() else { return ciphertext }
    var opened = [UInt8]()
    try cipher?.open(ciphertext.rawSpan, nonce: number, additionalData: ad.rawSpan, appendingTo: &opened)
    return opened
  }

  /// Counts one message; `nil` without a key.
  ///
  /// A handshake has at most two messages a key.
  private mutating func nextNonce() -> AES256GCM.Nonce? {
    guard cipher != nil else { return nil }
    defer { nonce += 1 }
    return AES256GCM.Nonce(counter: nonce)
  }
}
