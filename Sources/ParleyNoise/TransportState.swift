/// The two directions of a finished handshake.
public struct TransportState: ~Copyable, Sendable {
  /// Encrypts what this side sends.
  public var sending: CipherState
  /// Decrypts what the peer sends.
  public var receiving: CipherState

  init(sending: consuming CipherState, receiving: consuming CipherState) {
    self.sending = sending
    self.receiving = receiving
  }
}
