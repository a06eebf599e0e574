public import ParleyCrypto
import ParleyWire

/// What deriving a key from a passphrase costs (Argon2id, RFC 9106).
///
/// The bounds hold for files from outside too: a weak file is refused as well as one that would eat the machine.
public struct KeystoreCost: Hashable, Sendable {
  /// Memory in KiB: 19 MiB to 1 GiB.
  public static let memoryKiB: ClosedRange<Int> = 19_456...1_048_576
  /// Passes over the memory.
  public static let iterations: ClosedRange<Int> = 2...16
  /// Lanes.
  public static let lanes: ClosedRange<Int> = 1...16

  /// Memory in KiB.
  public let memoryKiB: Int
  /// Passes over the memory.
  public let iterations: Int
  /// Lanes.
  public let lanes: Int

  /// 64 MiB, three passes, four lanes: RFC 9106 section 4, the second recommended option.
  public static let standard = KeystoreCost(checkedMemoryKiB: 65_536, iterations: 3, lanes: 4)
  /// The least that is allowed: for tests, and for machines with little memory.
  public static let minimum = KeystoreCost(checkedMemoryKiB: 19_456, iterations: 2, lanes: 1)

  /// Chooses a cost.
  ///
  /// - Throws: ``IdentityError/unacceptableCost`` outside the bounds.
  public init(memoryKiB: Int, iterations: Int, lanes: Int) throws(IdentityError) {
    guard Self.memoryKiB.contains(memoryKiB), Self.iterations.contains(iterations), Self.lanes.contains(lanes) else {
      throw .unacceptableCost
    }
    self.init(checkedMemoryKiB: memoryKiB, iterations: iterations, lanes: lanes)
  }

  private init(checkedMemoryKiB: Int, iterations: Int, lanes: Int) {
    memoryKiB = checkedMemoryKiB
    self.iterations = iterations
    self.lanes = lanes
  }
}

/// What a new keystore is made of that nobody may guess.
public struct KeystoreRandomness: Sendable {
  /// The seed of the Ed25519 key, 32 bytes.
  public var ed25519Seed: SecretBytes
  /// The seed of the ML-DSA-65 key, 32 bytes; unused without one.
  public var mldsa65Seed: SecretBytes
  /// The salt of the key derivation, 16 bytes.
  public var salt: [UInt8]
  /// The nonce of the encryption, 12 bytes.
  ///
  /// It is used once: every keystore has a salt, hence a key, of its own.
  public var nonce: [UInt8]

  /// Gives the values, for tests that must repeat.
  public init(ed25519Seed: SecretBytes, mldsa65Seed: SecretBytes, salt: [UInt8], nonce: [UInt8]) {
    precondition(
      ed25519Seed.count == Ed25519.seedByteCount && mldsa65Seed.count == MLDSA65.seedByteCount
        && salt.count == Keystore.saltByteCount && nonce.count == Keystore.nonceByteCount)
    self.ed25519Seed = ed25519Seed
    self.mldsa65Seed = mldsa65Seed
    self.salt = salt
    self.nonce = nonce
  }

  /// Draws from the system's generator.
  public static func system() -> KeystoreRandomness {
    KeystoreRandomness(
      ed25519Seed: .random(count: Ed25519.seedByteCount), mldsa65Seed: .random(count: MLDSA65.seedByteCount),
      salt: SystemRandom.bytes(Keystore.saltByteCount), nonce: SystemRandom.bytes(Keystore.nonceByteCount))
  }
}

/// The signing keys of a node, encrypted under a passphrase, and its DID and document in clear.
///
/// The file's format is in docs/protocol/identity.md. Reading one needs no passphrase and shows whose it claims to
/// be; only ``open(passphrase:)`` proves that nobody changed it.
public struct Keystore: Hashable, Sendable {
  /// Bytes of a keystore file.
  public static let byteLimit = 16_384
  /// Bytes of the salt.
  public static let saltByteCount = 16
  /// Bytes of the nonce.
  public static let nonceByteCount = 12

  /// The DID, in its short form.
  public let did: DID
  /// The input document of a did:peer:4, or the document of a did:web.
  public let documentBytes: [UInt8]
  /// What opening it costs.
  public let cost: KeystoreCost
  let salt: [UInt8]
  let nonce: [UInt8]
  /// Ciphertext and tag.
  let sealed: [UInt8]

  /// Makes new keys, a did:peer:4 of them or a document for a did:web, and encrypts the seeds.
  ///
  /// - Parameters:
  ///   - passphrase: Its bytes as they are; at least one.
  ///   - web: The did:web whose keys these are to be; `nil` for a did:peer:4.
  ///   - endpoint: As for ``DIDPeer4/inputDocument(ed25519:mldsa65:endpoint:)``.
  ///   - postQuantum: Whether there is an ML-DSA-65 key, which makes the identity's suite 2.
  ///   - cost: What opening it will cost.
  ///   - randomness: Seeds, salt and nonce.
  /// - Returns: The keystore; ``encoded`` is its file.
  /// - Throws: ``IdentityError/emptyPassphrase``, ``IdentityError/malformedEndpoint(_:)``,
  ///   ``IdentityError/unsupportedMethod(_:)`` for a DID that is no did:web, ``IdentityError/documentTooLong(_:limit:)``,
  ///   or ``IdentityError/unacceptableCost`` where the machine has not the memory.
  public static func create(
    passphrase: SecretBytes, web: DID? = nil, endpoint: String?, postQuantum: Bool = false,
    cost: KeystoreCost = .standard,
    randomness: KeystoreRandomness = .system()
  ) throws(IdentityError) -> Keystore {
    guard passphrase.count > 0 else { throw .emptyPassphrase }
    let ed25519 = Ed25519.SigningKey(seed: randomness.ed25519Seed)
    let mldsa65 = postQuantum ? MLDSA65.SigningKey(seed: randomness.mldsa65Seed) : nil
    let (did, document) = try identity(web, ed25519.publicKey, mldsa65?.publicKey, endpoint)
    let suite: SignatureSuite = postQuantum ? .ed25519MLDSA65 : .ed25519
    let head = SecretBytes(copying: [suite.rawValue])
    let seeds =
      postQuantum
      ? SecretBytes(joining: head, randomness.ed25519Seed, randomness.mldsa65Seed)
      : SecretBytes(joining: head, randomness.ed25519Seed)
    let header = Header(
      did: did, documentBytes: document, cost: cost, salt: randomness.salt, nonce: randomness.nonce)
    var cipher = try header.cipher(passphrase: passphrase)
    let sealed = cipher.seal(
      seeds, nonce: AES256GCM.Nonce(header.nonce), additionalData: header.additionalData)
    return Keystore(header: header, sealed: sealed)
  }

  private static func identity(
    _ web: DID?, _ ed25519: Ed25519.PublicKey, _ mldsa65: MLDSA65.PublicKey?, _ endpoint: String?
  ) throws(IdentityError) -> (DID, [UInt8]) {
    guard let web else {
      let input = try DIDPeer4.inputDocument(ed25519: ed25519, mldsa65: mldsa65, endpoint: endpoint)
      return (try DIDPeer4.create(inputDocument: input).shortForm, input)
    }
    guard web.method == .web else { throw .unsupportedMethod(IdentityError.cut(web.string)) }
    let document = try DIDWeb.document(of: web, ed25519: ed25519, mldsa65: mldsa65, endpoint: endpoint)
    guard document.count <= DIDPeer4.inputDocumentByteLimit, web.string.utf8.count <= DID.characterLimit else {
      throw .documentTooLong(document.count, limit: DIDPeer4.inputDocumentByteLimit)
    }
    return (web, document)
  }

  /// Decrypts the keys.
  ///
  /// - Throws: ``IdentityError/cannotOpenKeystore`` for a wrong passphrase and for anything that was changed in the
  ///   file; ``IdentityError/unacceptableCost`` where the machine has not the memory.
  public func open(passphrase: SecretBytes) throws(IdentityError) -> LocalSigner {
    var cipher = try header.cipher(passphrase: passphrase)
    guard
      let seeds = try? cipher.openSecret(
        sealed, nonce: AES256GCM.Nonce(nonce), additionalData: header.additionalData),
      let signer = try? signer(seeds)
    else { throw .cannotOpenKeystore }
    return signer
  }

  /// The signer of decrypted seeds: `u8 suite ‖ Ed25519 seed[32] ‖ (suite 2: ML-DSA-65 seed[32])`.
  private func signer(_ seeds: SecretBytes) throws(IdentityError) -> LocalSigner {
    let first = seeds.withBytes { seeds in
      var reader = ByteReader(seeds)
      return reader.readUInt8()
    }
    guard let first, let suite = SignatureSuite(rawValue: first),
      seeds.count == (suite == .ed25519 ? Self.seedsByteCount.suite1 : Self.seedsByteCount.suite2)
    else { throw .cannotOpenKeystore }
    let identity = try LocalResolver.resolve(did, documentBytes: documentBytes)
    return try LocalSigner(
      identity: identity, ed25519: Ed25519.SigningKey(seed: seeds[1..<33]),
      mldsa65: suite == .ed25519MLDSA65 ? MLDSA65.SigningKey(seed: seeds[33..<65]) : nil)
  }

  static let seedsByteCount = (suite1: 33, suite2: 65)

  init(header: Header, sealed: [UInt8]) {
    did = header.did
    documentBytes = header.documentBytes
    cost = header.cost
    salt = header.salt
    nonce = header.nonce
    self.sealed = sealed
  }

  var header: Header {
    Header(did: did, documentBytes: documentBytes, cost: cost, salt: salt, nonce: nonce)
  }

  /// Everything in the file but the ciphertext.
  struct Header: Hashable, Sendable {
    var did: DID
    var documentBytes: [UInt8]
    var cost: KeystoreCost
    var salt: [UInt8]
    var nonce: [UInt8]

    func cipher(passphrase: SecretBytes) throws(IdentityError) -> AES256GCM {
      do throws(CryptoError) {
        let key = try Argon2id.derive(
          passphrase: passphrase, salt: salt, memoryKiB: cost.memoryKiB, iterations: cost.iterations,
          lanes: cost.lanes, count: AES256GCM.keyByteCount)
        return AES256GCM(key: key)
      } catch {
        throw .unacceptableCost
      }
    }
  }
}
