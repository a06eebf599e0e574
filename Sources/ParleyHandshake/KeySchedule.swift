import ParleyCrypto
import ParleyWire

/// The secrets of an epoch, all drawn from its root (section 5).
///
///     root_0 = HKDF-Extract(salt = th, ikm = k1 ‖ k2)
///     root_{n+1} = HKDF-Extract(salt = ratchet_n, ikm = K ‖ DH(e', e") ‖ H(OFFER ‖ REPLY))
///     D(label) = HKDF-Expand(root_n, "parley/psc1 " ‖ label ‖ 00 ‖ u32 n ‖ th, 32)
struct KeySchedule {
  /// What a secret is for.
  enum Label: Int, CaseIterable {
    case initiatorToResponder, responderToInitiator, ratchet, exporter, continuity

    var name: String {
      switch self {
      case .initiatorToResponder: "i2r"
      case .responderToInitiator: "r2i"
      case .ratchet: "ratchet"
      case .exporter: "exporter"
      case .continuity: "continuity"
      }
    }
  }

  static let firstEpoch: UInt32 = 0

  let epoch: UInt32
  let transcriptHash: [UInt8]
  /// The root itself, for the comparison with recorded sessions.
  let rootSecret: SecretBytes
  private let secrets: [SecretBytes]

  /// The schedule of epoch 0, from what `Split()` gave and the handshake hash after message 3.
  init(transcriptHash: [UInt8], keys: (k1: SecretBytes, k2: SecretBytes)) {
    var hkdf = HKDF(.sha256)
    let root = hkdf.extract(salt: transcriptHash, ikm: SecretBytes(joining: keys.k1, keys.k2))
    self.init(transcriptHash, Self.firstEpoch, root: root, &hkdf)
  }

  /// The schedule of a later epoch.
  ///
  /// - Parameters:
  ///   - transcriptHash: Of the handshake, as in every epoch.
  ///   - epoch: The epoch's number.
  ///   - ratchet: The secret of that label of the epoch before.
  ///   - agreed: What the two sides have agreed on anew: the KEM's secret, then the Diffie-Hellman output.
  ///   - exchange: The hash of the two messages that did it.
  init(transcriptHash: [UInt8], epoch: UInt32, ratchet: SecretBytes, agreed: SecretBytes, exchange: [UInt8]) {
    var hkdf = HKDF(.sha256)
    let root = hkdf.extract(salt: ratchet, ikm: SecretBytes(joining: agreed, SecretBytes(copying: exchange)))
    self.init(transcriptHash, epoch, root: root, &hkdf)
  }

  private init(_ transcriptHash: [UInt8], _ epoch: UInt32, root: SecretBytes, _ hkdf: inout HKDF) {
    self.epoch = epoch
    self.transcriptHash = transcriptHash
    rootSecret = root
    var secrets: [SecretBytes] = []
    for label in Label.allCases {
      var info = Array("parley/psc1 ".utf8) + Array(label.name.utf8) + [0]
      info.appendBigEndian(epoch)
      info += transcriptHash
      secrets.append(hkdf.expand(prk: root, info: info, count: SHA256.byteCount))
    }
    self.secrets = secrets
  }

  /// One of the secrets.
  func secret(_ label: Label) -> SecretBytes { secrets[label.rawValue] }

  /// The secret of what the side with `role` sends.
  func trafficSecret(of role: Role) -> SecretBytes {
    switch role {
    case .initiator: secret(.initiatorToResponder)
    case .responder: secret(.responderToInitiator)
    }
  }
}

/// The key, initial value and successor of a traffic secret (section 5).
struct TrafficKey: ~Copyable {
  private var secret: SecretBytes
  private(set) var iv: AES256GCM.Nonce
  var cipher: AES256GCM

  init(secret: SecretBytes) {
    var hkdf = HKDF(.sha256)
    self.secret = secret
    cipher = AES256GCM(key: Self.expand(secret, "key", AES256GCM.keyByteCount, &hkdf))
    iv = Self.iv(of: secret, &hkdf)
  }

  /// Goes on to the next secret; this one is erased.
  mutating func update() { self = TrafficKey(secret: Self.successor(of: secret)) }

  /// The secret after `secret`.
  static func successor(of secret: SecretBytes) -> SecretBytes {
    var hkdf = HKDF(.sha256)
    return expand(secret, "upd", SHA256.byteCount, &hkdf)
  }

  private static func iv(of secret: SecretBytes, _ hkdf: inout HKDF) -> AES256GCM.Nonce {
    // The initial value is not secret enough to erase: it is of no use without the key.
    expand(secret, "iv", AES256GCM.Nonce.byteCount, &hkdf).withBytes { AES256GCM.Nonce([UInt8]($0)) }
  }

  private static func expand(
    _ secret: SecretBytes, _ label: String, _ count: Int, _ hkdf: inout HKDF
  ) -> SecretBytes {
    hkdf.expand(prk: secret, info: Array("parley/psc1 ".utf8) + Array(label.utf8), count: count)
  }
}
