public import ParleyCrypto

/// The AEAD of a Noise protocol (Noise revision 34 section 12).
public enum NoiseCipher: String, Hashable, Sendable, CaseIterable {
  /// AES-256-GCM.
  case aesGCM = "AESGCM"
  /// ChaCha20-Poly1305.
  case chaChaPoly = "ChaChaPoly"
}

/// A pattern with algorithms: what a name like `Noise_XX_25519_ChaChaPoly_SHA256` says (Noise revision 34 section 8).
///
/// Diffie-Hellman is X25519, to which hybrid patterns add ML-KEM-768.
public struct NoiseProtocol: Hashable, Sendable {
  /// Who sends which keys when.
  public let pattern: HandshakePattern
  /// What encrypts.
  public let cipher: NoiseCipher
  /// What hashes.
  public let hash: HashFunction

  /// Puts one together.
  public init(_ pattern: HandshakePattern, _ cipher: NoiseCipher, _ hash: HashFunction) {
    self.pattern = pattern
    self.cipher = cipher
    self.hash = hash
  }

  /// Reads a name.
  ///
  /// - Throws: ``NoiseError/unknownProtocol(_:)``, also for what Noise knows and this module does not.
  public init(parsing name: String) throws(NoiseError) {
    let parts = name.split(separator: "_", omittingEmptySubsequences: false)
    guard parts.count == 5, parts[0] == "Noise",
      let pattern = HandshakePattern(parsing: parts[1]),
      parts[2] == Self.agreement(of: pattern),
      let cipher = NoiseCipher(rawValue: String(parts[3])),
      let hash = HashFunction.allCases.first(where: { Self.name(of: $0) == parts[4] })
    else {
      throw .unknownProtocol(String(decoding: name.utf8.prefix(96), as: UTF8.self))
    }
    self.init(pattern, cipher, hash)
  }

  /// The name, which both sides hash.
  public var name: String {
    "Noise_\(pattern.name)_\(Self.agreement(of: pattern))_\(cipher.rawValue)_\(Self.name(of: hash))"
  }

  private static func agreement(of pattern: HandshakePattern) -> String {
    pattern.isHybrid ? "25519+MLKEM768" : "25519"
  }

  private static func name(of hash: HashFunction) -> String {
    switch hash {
    case .sha256: "SHA256"
    case .blake2s: "BLAKE2s"
    }
  }
}
