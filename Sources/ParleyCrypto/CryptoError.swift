/// Why a cryptographic operation was refused.
///
/// No case carries a secret, and a failed decryption does not say why. Misuse by this program (a key of the wrong
/// length that did not come from outside) is a precondition failure instead.
public enum CryptoError: Error, Hashable, Sendable {
  /// Bytes from outside have another length than the algorithm's.
  case wrongLength(Int, expected: Int)
  /// The bytes are no valid public key: not canonical, not on the curve, of small order, or with a coefficient that
  /// is not reduced (FIPS 203 section 7.2).
  case invalidPublicKey
  /// The X25519 output is all zero: the peer's point has small order (RFC 7748 section 6.1).
  case zeroSharedSecret
  /// The AEAD tag does not match. Nothing was written.
  case authenticationFailed
  /// A cost parameter is outside what the algorithm or this program allows.
  case unsupportedParameters
}
