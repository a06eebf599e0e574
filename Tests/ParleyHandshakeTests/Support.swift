import ParleyCrypto
import ParleyIdentity
import ParleyWire
import TestSupport
import Testing

@testable import ParleyHandshake

extension SecretBytes {
  /// The bytes, for comparison in a test.
  var copied: [UInt8] { withBytes { [UInt8]($0) } }

  /// The secret whose every byte is `byte`.
  convenience init(repeating byte: UInt8, count: Int) { self.init(copying: [UInt8](repeating: byte, count: count)) }
}

/// One side with its keys, all made from one number.
struct Party {
  let number: UInt8
  let signer: LocalSigner
  let ed25519: Ed25519.SigningKey
  let mldsa65: MLDSA65.SigningKey?
  let staticKey: X25519.PrivateKey

  var identity: PeerIdentity { signer.identity }
  /// What its signing keys are made from.
  var seed: [UInt8] { [UInt8](repeating: number, count: 32) }
  /// What its static key is made from.
  var staticSeed: [UInt8] { [UInt8](repeating: number ^ 0x55, count: 32) }

  /// A did:peer:4, its document with or without a post-quantum key.
  init(_ number: UInt8, postQuantum: Bool = false) throws {
    let ed25519 = Ed25519.SigningKey(seed: SecretBytes(repeating: number, count: 32))
    let mldsa65 = postQuantum ? MLDSA65.SigningKey(seed: SecretBytes(repeating: number, count: 32)) : nil
    let input = try DIDPeer4.inputDocument(
      ed25519: ed25519.publicKey, mldsa65: mldsa65?.publicKey, endpoint: "ws://127.0.0.1:7001/")
    let identity = try LocalResolver.resolve(DIDPeer4.create(inputDocument: input).shortForm, documentBytes: input)
    try self.init(number, identity: identity, ed25519: ed25519, mldsa65: mldsa65)
  }

  init(
    _ number: UInt8, identity: PeerIdentity, ed25519: Ed25519.SigningKey, mldsa65: MLDSA65.SigningKey? = nil
  ) throws {
    self.number = number
    self.ed25519 = ed25519
    self.mldsa65 = mldsa65
    signer = try LocalSigner(identity: identity, ed25519: ed25519, mldsa65: mldsa65)
    staticKey = X25519.PrivateKey(raw: SecretBytes(repeating: number ^ 0x55, count: 32))
  }

  /// A did:web with a document of the test's making, in which `members` replace or add to the usual ones.
  static func web(
    _ number: UInt8, host: String = "maker.example", members: (String) -> [(String, JSONValue)] = { _ in [] }
  ) throws -> Party {
    let ed25519 = Ed25519.SigningKey(seed: SecretBytes(repeating: number, count: 32))
    let did = "did:web:\(host)"
    let identity = try PeerIdentity(document: document(did, key: ed25519.publicKey, members: members(did)))
    return try Party(number, identity: identity, ed25519: ed25519)
  }

  static func document(
    _ did: String, key: Ed25519.PublicKey, members: [(String, JSONValue)] = []
  ) throws -> DIDDocument {
    var document = JSONObject()
    document["id"] = .string(did)
    document["verificationMethod"] = [method(did, "key-1", try multikey(key.raw))]
    document["authentication"] = [.string("\(did)#key-1")]
    for (name, value) in members { document[name] = value }
    return try DIDDocument(
      parsing: Array(JSONValue.object(document).serialized().utf8), for: DID(parsing: did))
  }

  static func method(_ did: String, _ fragment: String, _ key: String) -> JSONValue {
    [
      "id": .string("\(did)#\(fragment)"), "type": "Multikey", "controller": .string(did),
      "publicKeyMultibase": .string(key),
    ]
  }

  /// An Ed25519 key as `publicKeyMultibase` writes it.
  static func multikey(_ raw: [UInt8]) throws -> String {
    String(try DIDKey.did(for: raw).string.dropFirst("did:key:".count))
  }
}

extension HandshakeRandomness {
  /// Values made from one number, different for the two sides.
  static func numbered(_ number: UInt8) -> HandshakeRandomness {
    HandshakeRandomness(
      ephemeralKey: SecretBytes(repeating: number, count: 32), kemSeed: SecretBytes(repeating: number, count: 64),
      kemMessage: SecretBytes(repeating: number, count: 32), resumeID: [UInt8](repeating: number, count: 16),
      priorityTokens: [UInt8](repeating: number, count: 128))
  }
}

/// A signer whose signatures were made elsewhere, or are wrong in a way a test chooses.
struct ScriptedSigner: Signer {
  let identity: PeerIdentity
  let script: @Sendable ([UInt8]) -> IdentitySignature

  func sign(_ message: [UInt8], context: String) -> IdentitySignature { script(message) }
}

/// Both sides of one handshake, driven as far as a test wants.
struct Handshake {
  static let prologue = try! Prologue(offered: ["parley.v1"], selected: "parley.v1", channelBinding: .none)

  var initiator: Party
  var responder: Party
  var initiatorNumber: UInt8 = 0xA1
  var responderNumber: UInt8 = 0xB2

  init(postQuantum: Bool = false) throws {
    initiator = try Party(1, postQuantum: postQuantum)
    responder = try Party(2, postQuantum: postQuantum)
  }

  init(_ initiator: Party, _ responder: Party) {
    self.initiator = initiator
    self.responder = responder
  }

  func makeInitiator(_ prologue: Prologue = prologue, knowing responder: PeerIdentity? = nil) -> Initiator {
    var machine = Initiator(
      signer: initiator.signer, responder: responder ?? self.responder.identity, staticKey: initiator.staticKey,
      randomness: .numbered(initiatorNumber))
    machine.begin(prologue: prologue)
    return machine
  }

  func makeResponder() -> Responder {
    Responder(
      signer: responder.signer, staticKey: responder.staticKey, randomness: .numbered(responderNumber))
  }

  /// The messages of the run in which nothing goes wrong, except for hedged signatures always the same.
  func messages() throws -> (one: [UInt8], two: [UInt8], three: [UInt8], accept: [UInt8]) {
    var initiator = makeInitiator()
    var responder = makeResponder()
    let one = initiator.message1
    let two = try responder.receiveMessage1(one, prologue: Self.prologue)
    let three = try initiator.receiveMessage2(two)
    _ = try responder.openMessage3(three)
    return (one, two, three, try responder.accept(self.initiator.identity))
  }

  /// The two ends of an open session.
  func channels(limits: ChannelLimits = ChannelLimits()) throws -> Channels {
    var initiator = makeInitiator()
    var responder = makeResponder()
    let two = try responder.receiveMessage1(initiator.message1, prologue: Self.prologue)
    _ = try responder.openMessage3(initiator.receiveMessage2(two))
    try initiator.receiveAccept(responder.accept(self.initiator.identity))
    return Channels(initiator: initiator.split(limits: limits), responder: responder.split(limits: limits))
  }
}

/// The two ends of an open session.
struct Channels: ~Copyable {
  var initiator: SecureChannel
  var responder: SecureChannel
}

/// The error of `body`, or `nil` if there is none.
func failure(_ body: () throws(HandshakeError) -> Void) -> HandshakeError? {
  do throws(HandshakeError) {
    try body()
    return nil
  } catch {
    return error
  }
}
