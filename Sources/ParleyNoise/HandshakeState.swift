public import ParleyCrypto
import ParleyWire

/// The `HandshakeState` of Noise revision 34 section 5.3, for any ``NoiseProtocol``: from the prologue to `Split()`.
///
/// A message is written or read whole, or as its keys and its payload, for protocols that sign the hash in between:
///
///     ┌──────────────┐ writeKeys, readKeys ┌─────────────────┐ writePayload, readPayload
///     │ awaitingKeys │ ──────────────────▶ │ awaitingPayload │ ─┬──▶ finished: split
///     └──────────────┘                     └─────────────────┘  │
///            ▲                    the other side's turn         │
///            └──────────────────────────────────────────────────┘
///
/// An error leads to `ended`, where every input throws ``NoiseError/ended``; let go of the state then, which erases its
/// keys. To write when it is the peer's turn, or the reverse, is a precondition failure: look at ``turn``.
public struct HandshakeState: ~Copyable, Sendable {
  /// What one side brings along.
  public struct Keys: Sendable {
    /// This side's static key, if the pattern has one.
    public var s: X25519.PrivateKey?
    /// This side's ephemeral key, which must never be used for two handshakes.
    public var e: X25519.PrivateKey
    /// The initiator's KEM key of a hybrid pattern, never used twice either; `nil` draws one when it is due.
    public var e1: MLKEM768.DecapsulationKey?
    /// The peer's static key, if the pattern has it known beforehand.
    public var rs: [UInt8]?
    /// The pre-shared keys of 32 bytes, in the order of the pattern.
    public var psks: [SecretBytes]

    /// Gathers keys; what is not given is none, or drawn from the system's generator.
    public init(
      s: X25519.PrivateKey? = nil, e: X25519.PrivateKey = X25519.PrivateKey(), e1: MLKEM768.DecapsulationKey? = nil,
      rs: [UInt8]? = nil, psks: [SecretBytes] = []
    ) {
      self.s = s
      self.e = e
      self.e1 = e1
      self.rs = rs
      self.psks = psks
    }
  }

  /// How long a message may be (section 3), in bytes.
  public static let messageByteCountLimit = 65_535

  private enum Step { case keys, payload, finished, ended }

  private let `protocol`: NoiseProtocol
  private let side: NoiseRole
  private var symmetricState: SymmetricState
  private var keys: Keys
  private var re: [UInt8] = []
  private var re1: [UInt8] = []
  private var psksUsed = 0
  private var messageIndex = 0
  private var step = Step.keys

  /// The handshake hash `h`.
  public var h: [UInt8] { symmetricState.h }

  /// The peer's static key as far as it is known by now.
  public var remoteStaticKey: [UInt8]? { keys.rs }

  /// Who sends the message that is due; `nil` when there is none.
  public var turn: NoiseRole? {
    switch step {
    case .keys, .payload: messageIndex.isMultiple(of: 2) ? .initiator : .responder
    case .finished, .ended: nil
    }
  }

  /// Whether ``split()`` may be called.
  public var isFinished: Bool { step == .finished }

  /// `Initialize(handshake_pattern, initiator, prologue, s, e, rs, re)`.
  ///
  /// - Precondition: `keys` has the static keys and pre-shared keys that the pattern needs of this side.
  public init(_ protocol: NoiseProtocol, _ side: NoiseRole, prologue: [UInt8] = [], keys: Keys) {
    let pattern = `protocol`.pattern
    self.protocol = `protocol`
    self.side = side
    self.keys = keys
    symmetricState = SymmetricState(protocolName: `protocol`.name, cipher: `protocol`.cipher, hash: `protocol`.hash)
    symmetricState.mixHash(prologue)
    precondition(
      keys.psks.count == pattern.pskCount && keys.psks.allSatisfy { $0.count == 32 },
      "the pattern needs \(pattern.pskCount) keys of 32 bytes")
    let known: [(isKnown: Bool, owner: NoiseRole)] = [
      (pattern.knowsInitiator, .initiator), (pattern.knowsResponder, .responder),
    ]
    for (isKnown, owner) in known where isKnown {
      let key = owner == side ? keys.s?.publicKey : keys.rs
      guard let key, key.count == X25519.byteCount else { preconditionFailure("the pattern needs the \(owner)'s key") }
      symmetricState.mixHash(key)
    }
  }

  // MARK: Writing

  /// `WriteMessage(payload)`.
  ///
  /// - Returns: The message, to send.
  /// - Throws: Why the handshake has ended: the keys that the peer sent before do not serve.
  /// - Precondition: it is this side's ``turn``, and the message has at most ``messageByteCountLimit`` bytes.
  public mutating func writeMessage(_ payload: [UInt8]) throws(NoiseError) -> [UInt8] {
    var message = try writeKeys()
    message += writePayload(payload)
    precondition(message.count <= Self.messageByteCountLimit, "the payload is too long")
    return message
  }

  /// All of a message but its payload.
  ///
  /// - Parameter kemRandomness: The 32 bytes `m` of FIPS 203 algorithm 17, for recorded sessions; `nil` draws them.
  /// - Returns: The first part of the message, to send.
  /// - Throws: As ``writeMessage(_:)``.
  /// - Precondition: it is this side's ``turn``.
  public mutating func writeKeys(kemRandomness: SecretBytes? = nil) throws(NoiseError) -> [UInt8] {
    try begin(side)
    var message = [UInt8]()
    do throws(NoiseError) {
      for token in tokens { try write(token, kemRandomness, to: &message) }
    } catch {
      step = .ended
      throw error
    }
    return message
  }

  /// The payload of a message, which ends it.
  ///
  /// - Precondition: ``writeKeys(kemRandomness:)`` came right before.
  public mutating func writePayload(_ payload: [UInt8]) -> [UInt8] {
    precondition(step == .payload && turn == side, "the payload follows the keys")
    let ciphertext = symmetricState.encryptAndHash(payload)
    finishMessage()
    return ciphertext
  }

  // MARK: Reading

  /// `ReadMessage(message)`.
  ///
  /// - Returns: The payload.
  /// - Throws: Why the handshake has ended.
  /// - Precondition: it is the peer's ``turn``.
  public mutating func readMessage(_ message: [UInt8]) throws(NoiseError) -> [UInt8] {
    let count = try readKeys(message)
    return try readPayload(Array(message[count...]))
  }

  /// All of a message but its payload.
  ///
  /// - Returns: Where in the message its payload begins.
  /// - Throws: Why the handshake has ended.
  /// - Precondition: it is the peer's ``turn``.
  public mutating func readKeys(_ message: [UInt8]) throws(NoiseError) -> Int {
    try begin(side.peer)
    do throws(NoiseError) {
      guard message.count <= Self.messageByteCountLimit else { throw .wrongMessageLength(message.count) }
      var reader = ByteReader(message.rawSpan)
      for token in tokens { try read(token, &reader) }
      return reader.consumed
    } catch {
      step = .ended
      throw error
    }
  }

  /// The payload of a message, which ends it.
  ///
  /// - Throws: ``NoiseError/decryptionFailed``; the handshake has ended.
  /// - Precondition: ``readKeys(_:)`` came right before.
  public mutating func readPayload(_ ciphertext: [UInt8]) throws(NoiseError) -> [UInt8] {
    precondition(step == .payload && turn == side.peer, "the payload follows the keys")
    step = .ended
    let payload = try symmetricState.decryptAndHash(ciphertext)
    finishMessage()
    return payload
  }

  // MARK: The end

  /// The two keys of `Split()`: what the initiator sends is under `k1`.
  ///
  /// - Precondition: ``isFinished``.
  public consuming func splitKeys() -> (k1: SecretBytes, k2: SecretBytes) {
    precondition(isFinished, "the handshake is not over")
    return symmetricState.split()
  }

  /// `Split()`, as this side's two directions.
  ///
  /// - Precondition: ``isFinished``, and the pattern is not one-way.
  public consuming func split() -> TransportState {
    precondition(!`protocol`.pattern.isOneWay, "nobody answers in a one-way pattern")
    let (cipher, isInitiator) = (`protocol`.cipher, side == .initiator)
    let (k1, k2) = splitKeys()
    return TransportState(
      sending: CipherState(cipher, key: isInitiator ? k1 : k2),
      receiving: CipherState(cipher, key: isInitiator ? k2 : k1))
  }

  // MARK: Tokens

  private var tokens: [HandshakePattern.Token] { `protocol`.pattern.messages[messageIndex] }

  private mutating func begin(_ sender: NoiseRole) throws(NoiseError) {
    guard step != .ended else { throw .ended }
    precondition(step == .keys && turn == sender, "it is not the \(sender)'s turn")
    step = .payload
  }

  private mutating func finishMessage() {
    messageIndex += 1
    step = messageIndex == `protocol`.pattern.messages.count ? .finished : .keys
  }

  private mutating func write(
    _ token: HandshakePattern.Token, _ kemRandomness: SecretBytes?, to message: inout [UInt8]
  ) throws(NoiseError) {
    switch token {
    case .e:
      message += keys.e.publicKey
      mixEphemeral(keys.e.publicKey)
    case .s:
      guard let s = keys.s else { preconditionFailure("the pattern needs a static key") }
      message += symmetricState.encryptAndHash(s.publicKey)
    case .e1:
      let e1 = keys.e1 ?? MLKEM768.DecapsulationKey(seed: .random(count: MLKEM768.seedByteCount))
      keys.e1 = e1
      message += symmetricState.encryptAndHash(e1.encapsulationKey)
    case .ekem1:
      guard let kem = try? MLKEM768.encapsulate(to: re1, randomness: kemRandomness) else {
        throw .invalidEncapsulationKey
      }
      message += symmetricState.encryptAndHash(kem.ciphertext)
      symmetricState.mixKey(kem.sharedSecret)
    case .ee, .es, .se, .ss, .psk:
      try mix(token)
    }
  }

  private mutating func read(_ token: HandshakePattern.Token, _ reader: inout ByteReader) throws(NoiseError) {
    switch token {
    case .e:
      re = try take(X25519.byteCount, &reader)
      guard re != keys.e.publicKey else { throw .reflectedKey }
      mixEphemeral(re)
    case .s:
      let rs = try open(X25519.byteCount, &reader)
      guard rs != keys.s?.publicKey else { throw .reflectedKey }
      keys.rs = rs
    case .e1:
      re1 = try open(MLKEM768.encapsulationKeyByteCount, &reader)
    case .ekem1:
      let ciphertext = try open(MLKEM768.ciphertextByteCount, &reader)
      guard let shared = try? keys.e1?.decapsulate(ciphertext) else { throw .decryptionFailed }
      symmetricState.mixKey(shared)
    case .ee, .es, .se, .ss, .psk:
      try mix(token)
    }
  }

  /// The tokens that send nothing.
  private mutating func mix(_ token: HandshakePattern.Token) throws(NoiseError) {
    let isInitiator = side == .initiator
    switch token {
    case .ee: try agree(keys.e, re)
    case .es: try isInitiator ? agree(keys.e, keys.rs) : agree(keys.s, re)
    case .se: try isInitiator ? agree(keys.s, re) : agree(keys.e, keys.rs)
    case .ss: try agree(keys.s, keys.rs)
    case .psk:
      symmetricState.mixKeyAndHash(keys.psks[psksUsed])
      psksUsed += 1
    case .e, .s, .e1, .ekem1: preconditionFailure("\(token) sends something")
    }
  }

  /// `e` in a pattern with a pre-shared key is mixed into the key too, so that no two sessions share one (section 9.2).
  private mutating func mixEphemeral(_ publicKey: [UInt8]) {
    symmetricState.mixHash(publicKey)
    if !keys.psks.isEmpty { symmetricState.mixKey(SecretBytes(copying: publicKey)) }
  }

  private mutating func agree(_ key: X25519.PrivateKey?, _ publicKey: [UInt8]?) throws(NoiseError) {
    guard let key, let publicKey else { preconditionFailure("the pattern names a key that neither side has sent") }
    do throws(CryptoError) {
      symmetricState.mixKey(try key.sharedSecret(with: publicKey))
    } catch {
      throw .zeroSharedSecret
    }
  }

  private mutating func open(_ count: Int, _ reader: inout ByteReader) throws(NoiseError) -> [UInt8] {
    let tag = symmetricState.hasKey ? CipherState.tagByteCount : 0
    return try symmetricState.decryptAndHash(take(count + tag, &reader))
  }

  private func take(_ count: Int, _ reader: inout ByteReader) throws(NoiseError) -> [UInt8] {
    let whole = reader.consumed + reader.remaining
    guard let bytes = reader.readBytes(count: count) else { throw .wrongMessageLength(whole) }
    return bytes
  }
}
