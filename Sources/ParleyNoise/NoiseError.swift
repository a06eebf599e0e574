/// Why a Noise protocol could not be chosen, or why a handshake or a stream of messages ended.
///
/// No case carries a secret, and a failed decryption does not say why. Except where a case says so, the fault is the
/// peer's and the state that threw is of no further use. Misuse by this program is a precondition failure instead.
public enum NoiseError: Error, Hashable, Sendable {
  /// A protocol name is malformed, or names a pattern or algorithm that is not here; cut to 96 bytes.
  case unknownProtocol(String)
  /// A message is shorter than its pattern, or longer than ``HandshakeState/messageByteCountLimit``, in bytes.
  case wrongMessageLength(Int)
  /// The peer's key has small order: the Diffie-Hellman output is zero.
  case zeroSharedSecret
  /// The peer's ephemeral or static key is this side's own: a reflection, or a broken random generator.
  case reflectedKey
  /// The peer's KEM key has a coefficient that is not reduced (FIPS 203 section 7.2).
  case invalidEncapsulationKey
  /// Something encrypted does not open: it was changed, lost or reordered, or the two sides differ in what they hashed.
  case decryptionFailed
  /// A key has numbered all the messages it may; nobody's fault. To go on, rekey and agree with the peer on when.
  case nonceExhausted
  /// An earlier error ended this handshake.
  case ended
}
