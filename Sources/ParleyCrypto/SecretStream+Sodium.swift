internal import CSodium

/// A long text encrypted piece by piece under one key: libsodium's secretstream (XChaCha20-Poly1305).
///
/// Pieces cannot be changed, left out, doubled, put in another order or cut off at the end without notice: each depends
/// on those before it, and the last one is marked.
public enum SecretStream {
  /// Bytes of a key.
  public static let keyByteCount = 32
  /// Bytes of the header, random for each stream, which goes before the first piece.
  public static let headerByteCount = 24
  /// Bytes by which a sealed piece is longer than its text.
  public static let overhead = 17

  /// Seals the pieces of one stream, in order.
  public final class Sealer {
    private var state: crypto_secretstream_xchacha20poly1305_state
    /// What an ``Opener`` needs besides the key.
    public let header: [UInt8]

    /// Begins a stream under a key; its header is drawn from the system's generator.
    ///
    /// - Precondition: `key` has ``SecretStream/keyByteCount`` bytes.
    public init(key: SecretBytes) {
      precondition(key.count == SecretStream.keyByteCount)
      Sodium.start()
      var state = crypto_secretstream_xchacha20poly1305_state()
      var header = [UInt8](repeating: 0, count: SecretStream.headerByteCount)
      unsafe key.withUnsafeBytes { key in
        let result = unsafe crypto_secretstream_xchacha20poly1305_init_push(&state, &header, key.octets)
        precondition(result == 0)
      }
      self.state = state
      self.header = header
    }

    deinit { unsafe sodium_memzero(&state, MemoryLayout.size(ofValue: state)) }

    /// The next piece, sealed.
    ///
    /// - Parameters:
    ///   - text: The piece.
    ///   - additionalData: What must be the same when it is opened.
    ///   - isLast: Whether it is the stream's last piece.
    /// - Returns: ``SecretStream/overhead`` bytes more than `text` has.
    public func seal(_ text: [UInt8], additionalData: [UInt8], isLast: Bool) -> [UInt8] {
      var sealed = [UInt8](repeating: 0, count: text.count + SecretStream.overhead)
      let tag = UInt8(isLast ? crypto_secretstream_xchacha20poly1305_TAG_FINAL : 0)
      let result = unsafe crypto_secretstream_xchacha20poly1305_push(
        &state, &sealed, nil, text, UInt64(text.count), additionalData, UInt64(additionalData.count), tag)
      precondition(result == 0)
      return sealed
    }
  }

  /// Opens the pieces of one stream, in order.
  public final class Opener {
    private var state: crypto_secretstream_xchacha20poly1305_state

    /// Begins to read a stream.
    ///
    /// - Precondition: `key` and `header` have ``SecretStream/keyByteCount`` and ``SecretStream/headerByteCount`` bytes.
    public init(key: SecretBytes, header: [UInt8]) {
      precondition(key.count == SecretStream.keyByteCount && header.count == SecretStream.headerByteCount)
      Sodium.start()
      var state = crypto_secretstream_xchacha20poly1305_state()
      unsafe key.withUnsafeBytes { key in
        let result = unsafe crypto_secretstream_xchacha20poly1305_init_pull(&state, header, key.octets)
        precondition(result == 0)
      }
      self.state = state
    }

    deinit { unsafe sodium_memzero(&state, MemoryLayout.size(ofValue: state)) }

    /// The text of the next piece, and whether the stream ends with it.
    ///
    /// - Throws: ``CryptoError/authenticationFailed`` for anything but the next piece of this stream as it was sealed.
    public func open(
      _ sealed: [UInt8], additionalData: [UInt8]
    ) throws(CryptoError) -> (text: [UInt8], isLast: Bool) {
      guard sealed.count >= SecretStream.overhead else { throw .authenticationFailed }
      var text = [UInt8](repeating: 0, count: sealed.count - SecretStream.overhead)
      var tag: UInt8 = 0
      let result = unsafe crypto_secretstream_xchacha20poly1305_pull(
        &state, &text, nil, &tag, sealed, UInt64(sealed.count), additionalData, UInt64(additionalData.count))
      guard result == 0, tag == 0 || tag == UInt8(crypto_secretstream_xchacha20poly1305_TAG_FINAL) else {
        throw .authenticationFailed
      }
      return (text, tag != 0)
    }
  }
}
