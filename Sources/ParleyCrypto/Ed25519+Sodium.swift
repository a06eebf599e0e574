internal import CSodium

/// Ed25519 signatures (RFC 8032), verified strictly.
public enum Ed25519 {
  /// Bytes of a private key's seed.
  public static let seedByteCount = 32
  /// Bytes of a public key.
  public static let publicKeyByteCount = 32
  /// Bytes of a signature.
  public static let signatureByteCount = 64

  /// A private key with its public key.
  public final class SigningKey: Sendable {
    // libsodium's form: the seed and then the public key.
    private let secretKey: SecretBytes

    /// The key that verifies what this one signs.
    public let publicKey: PublicKey

    /// Draws a fresh key from the system's generator.
    public convenience init() {
      self.init(seed: .random(count: Ed25519.seedByteCount))
    }

    /// Uses the key of a seed (RFC 8032 section 5.1.5).
    ///
    /// - Precondition: `seed` has ``Ed25519/seedByteCount`` bytes.
    public init(seed: SecretBytes) {
      precondition(seed.count == Ed25519.seedByteCount)
      Sodium.start()
      var raw = [UInt8](repeating: 0, count: Ed25519.publicKeyByteCount)
      secretKey = unsafe SecretBytes(writing: 64) { output in
        unsafe seed.withUnsafeBytes { seed in
          let result = unsafe crypto_sign_ed25519_seed_keypair(
            &raw, output.octets,
            seed.octets)
          precondition(result == 0)
        }
      }
      publicKey = PublicKey(derived: raw)
    }

    /// The seed this key comes from.
    public var seed: SecretBytes { secretKey[0..<Ed25519.seedByteCount] }

    /// The signature of `message`; the same message always gets the same one.
    public func sign(_ message: [UInt8]) -> [UInt8] {
      unsafe [UInt8](unsafeUninitializedCapacity: Ed25519.signatureByteCount) { buffer, initialized in
        unsafe secretKey.withUnsafeBytes { key in
          let result = unsafe crypto_sign_ed25519_detached(
            UnsafeMutableRawBufferPointer(buffer).octets, nil, message, UInt64(message.count),
            key.octets)
          precondition(result == 0)
        }
        initialized = Ed25519.signatureByteCount
      }
    }
  }

  /// A public key: a canonical encoding of a point on the curve that is not of small order.
  public struct PublicKey: Hashable, Sendable {
    /// The key's ``Ed25519/publicKeyByteCount`` bytes.
    public let raw: [UInt8]

    /// Checks a key from outside.
    ///
    /// - Throws: ``CryptoError/wrongLength(_:expected:)`` or ``CryptoError/invalidPublicKey``.
    public init(raw: [UInt8]) throws(CryptoError) {
      guard raw.count == Ed25519.publicKeyByteCount else {
        throw .wrongLength(raw.count, expected: Ed25519.publicKeyByteCount)
      }
      Sodium.start()
      guard Ed25519.isCanonical(raw), !Ed25519.hasSmallOrder(raw), Ed25519.isOnCurve(raw) else {
        throw .invalidPublicKey
      }
      self.raw = raw
    }

    fileprivate init(derived raw: [UInt8]) { self.raw = raw }

    /// Whether `signature` is this key's for `message`, strictly: `S` below the group order, `R` canonical and not of
    /// small order, and `R = [S]B - [k]A` without the cofactor.
    public func isValid(signature: [UInt8], for message: [UInt8]) -> Bool {
      guard signature.count == Ed25519.signatureByteCount else { return false }
      // libsodium 1.0.18 checks S, the key, and R's order itself, and compares R's encoding byte by byte, which no
      // non-canonical one survives. R is checked here as well, so as not to rest on how the library was built.
      guard Ed25519.isCanonical(signature), !Ed25519.hasSmallOrder(signature) else { return false }
      return unsafe crypto_sign_ed25519_verify_detached(signature, message, UInt64(message.count), raw) == 0
    }
  }

  /// Whether the y coordinate of a point is below `p = 2^255 - 19`; what follows its 32 bytes is not looked at.
  private static func isCanonical(_ point: [UInt8]) -> Bool {
    guard point[0] >= 0xED, point[31] & 0x7F == 0x7F else { return true }
    for index in 1..<31 where point[index] != 0xFF { return true }
    return false
  }

  /// Whether the encoding, canonical or not, is one of a point of order 1, 2, 4 or 8, whatever its sign bit; what
  /// follows its 32 bytes is not looked at.
  private static func hasSmallOrder(_ point: [UInt8]) -> Bool {
    for y in smallOrderCoordinates where y[31] == point[31] & 0x7F && y[..<31] == point[..<31] { return true }
    return false
  }

  /// Whether the bytes decode to a point: libsodium's addition fails for those that do not, and unlike its
  /// `is_valid_point` accepts points with a component of small order, as RFC 8032 does.
  private static func isOnCurve(_ point: [UInt8]) -> Bool {
    var sum = [UInt8](repeating: 0, count: 32)
    return unsafe crypto_core_ed25519_add(&sum, point, point) == 0
  }

  /// The y coordinates of the eight points of small order, and the two that `p` can be added to in 255 bits.
  private static let smallOrderCoordinates: [[UInt8]] = {
    let orderEight: [UInt8] = [
      0x26, 0xE8, 0x95, 0x8F, 0xC2, 0xB2, 0x27, 0xB0, 0x45, 0xC3, 0xF4, 0x89, 0xF2, 0xEF, 0x98, 0xF0,
      0xD5, 0xDF, 0xAC, 0x05, 0xD3, 0xC6, 0x33, 0x39, 0xB1, 0x38, 0x02, 0x88, 0x6D, 0x53, 0xFC, 0x05,
    ]
    let orderEightNegated: [UInt8] = [
      0xC7, 0x17, 0x6A, 0x70, 0x3D, 0x4D, 0xD8, 0x4F, 0xBA, 0x3C, 0x0B, 0x76, 0x0D, 0x10, 0x67, 0x0F,
      0x2A, 0x20, 0x53, 0xFA, 0x2C, 0x39, 0xCC, 0xC6, 0x4E, 0xC7, 0xFD, 0x77, 0x92, 0xAC, 0x03, 0x7A,
    ]
    func coordinate(first: UInt8, middle: UInt8, last: UInt8) -> [UInt8] {
      [first] + [UInt8](repeating: middle, count: 30) + [last]
    }
    return [
      coordinate(first: 0, middle: 0, last: 0), coordinate(first: 1, middle: 0, last: 0),
      orderEight, orderEightNegated,
      coordinate(first: 0xEC, middle: 0xFF, last: 0x7F), coordinate(first: 0xED, middle: 0xFF, last: 0x7F),
      coordinate(first: 0xEE, middle: 0xFF, last: 0x7F),
    ]
  }()
}

/// libsodium's one-time start.
enum Sodium {
  private static let started: Bool = {
    precondition(sodium_init() >= 0, "libsodium did not start")
    return true
  }()

  static func start() {
    _ = started
  }
}
