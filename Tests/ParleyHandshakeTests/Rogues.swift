import ParleyCrypto
import ParleyIdentity
import ParleyNoise
import ParleyWire

@testable import ParleyHandshake

/// An identity payload of any content, right or wrong.
struct RawPayload {
  var version: UInt8 = 1
  var role: UInt8
  var did: [UInt8]
  var keyFragment: [UInt8]
  var documentHash: [UInt8]
  var suite: UInt8
  var ed25519: [UInt8]
  var mldsa65: [UInt8]
  var document: [UInt8]
  var extensions: [UInt8] = []
  var byteCount: Int?
  var padding: UInt8 = 0

  init(_ payload: IdentityPayload) {
    role = payload.role.rawValue
    did = Array(payload.did.string.utf8)
    keyFragment = Array(payload.keyFragment.utf8)
    documentHash = payload.documentHash
    suite = payload.signature.suite.rawValue
    ed25519 = payload.signature.ed25519
    mldsa65 = payload.signature.mldsa65 ?? []
    document = payload.document
  }

  var encoded: [UInt8] {
    var bytes = [version, role]
    bytes.appendLengthPrefixed(did)
    bytes.appendLengthPrefixed(keyFragment)
    bytes += documentHash
    bytes.append(suite)
    for part in [ed25519, mldsa65, document, extensions] { bytes.appendLengthPrefixed(part) }
    let size = byteCount ?? IdentityPayload.bucketByteCounts.first { $0 >= bytes.count } ?? bytes.count
    while bytes.count < size { bytes.append(0) }
    if padding != 0 { bytes[bytes.count - 1] = padding }
    return bytes
  }

  /// The statement that this payload makes, signed anew with `key` after fields were changed.
  mutating func sign(
    h: [UInt8], s: [UInt8], audience: [UInt8], role: UInt8? = nil, key: Ed25519.SigningKey
  ) {
    var message = Array("parley/psc1 identity".utf8) + [0, role ?? self.role] + h + s
    message.appendLengthPrefixed(did)
    message.appendLengthPrefixed(did + Array("#".utf8) + keyFragment)
    message += documentHash + [suite]
    message.appendLengthPrefixed(audience)
    message.appendLengthPrefixed(extensions)
    ed25519 = key.sign(message)
  }
}

/// A responder that sends whatever a test wants, and otherwise follows the protocol.
struct RogueResponder: ~Copyable {
  var party: Party
  var protocolName = XXhfs.protocolName
  var prologue = Handshake.prologue
  var e = X25519.PrivateKey(raw: SecretBytes(repeating: 0xC3, count: 32))
  /// What message 2 shows instead of the real values.
  var shownE: [UInt8]?
  var shownS: [UInt8]?
  var changeCiphertext: (([UInt8]) -> [UInt8])?
  private var symmetric: SymmetricState?

  init(_ party: Party) { self.party = party }

  mutating func message2(
    answering message1: [UInt8],
    payload: (IdentityPayload, IdentityStatement) -> [UInt8] = { payload, _ in payload.encoded }
  ) throws -> [UInt8] {
    let one = try Message1(message1, at: party.identity.did)
    var state = SymmetricState(protocolName: protocolName)
    state.mixHash(prologue.bytes(responder: party.identity.did))
    for part in [one.e, one.e1, one.payload] { state.mixHash(part) }
    var message = shownE ?? e.publicKey
    state.mixHash(message)
    state.mixKey(try e.sharedSecret(with: one.e))
    let kem = try MLKEM768.encapsulate(to: one.e1, randomness: SecretBytes(repeating: 0xC3, count: 32))
    message += state.encryptAndHash(changeCiphertext?(kem.ciphertext) ?? kem.ciphertext)
    state.mixKey(kem.sharedSecret)
    let s = shownS ?? party.staticKey.publicKey
    message += state.encryptAndHash(s)
    state.mixKey(try party.staticKey.sharedSecret(with: one.e))
    let statement = IdentityStatement(h: state.h, s: s, audience: nil)
    let honest = statement.signed(
      by: party.signer, role: .responder, documentHash: party.identity.documentHash, sendsDocument: false)
    message += state.encryptAndHash(payload(honest, statement))
    symmetric = consume state
    return message
  }

  /// The keys after message 3, which is opened and not looked at.
  mutating func schedule(after message3: [UInt8]) throws -> KeySchedule {
    guard var state = symmetric.take() else { preconditionFailure("message 2 comes first") }
    let s = try state.decryptAndHash(Array(message3[..<48]))
    state.mixKey(try e.sharedSecret(with: s))
    _ = try state.decryptAndHash(Array(message3[48...]))
    let h = state.h
    return KeySchedule(transcriptHash: h, keys: state.split())
  }
}

/// An initiator that sends whatever a test wants, and otherwise follows the protocol.
struct RogueInitiator: ~Copyable {
  let party: Party
  let responder: PeerIdentity
  let e = X25519.PrivateKey(raw: SecretBytes(repeating: 0xD4, count: 32))
  let e1 = MLKEM768.DecapsulationKey(seed: SecretBytes(repeating: 0xD4, count: 64))
  var prologue = Handshake.prologue
  var shownE: [UInt8]?
  var shownE1: [UInt8]?
  var shownS: [UInt8]?
  private(set) var transcriptHash: [UInt8] = []

  init(_ party: Party, to responder: PeerIdentity) {
    self.party = party
    self.responder = responder
  }

  var message1: [UInt8] {
    Message1(e: shownE ?? e.publicKey, e1: shownE1 ?? e1.encapsulationKey, to: responder.did).bytes
  }

  mutating func message3(
    answering message2: [UInt8],
    payload: (IdentityPayload, IdentityStatement) -> [UInt8] = { payload, _ in payload.encoded }
  ) throws -> [UInt8] {
    var state = SymmetricState(protocolName: XXhfs.protocolName)
    state.mixHash(prologue.bytes(responder: responder.did))
    let one = message1
    for part in [one[..<32], one[32..<1216], one[1216...]] { state.mixHash(Array(part)) }
    let re = Array(message2[..<32])
    state.mixHash(re)
    state.mixKey(try e.sharedSecret(with: re))
    state.mixKey(try e1.decapsulate(state.decryptAndHash(Array(message2[32..<1136]))))
    let rs = try state.decryptAndHash(Array(message2[1136..<1184]))
    state.mixKey(try e.sharedSecret(with: rs))
    _ = try state.decryptAndHash(Array(message2[1184...]))
    let s = shownS ?? party.staticKey.publicKey
    var message = state.encryptAndHash(s)
    state.mixKey(try party.staticKey.sharedSecret(with: re))
    let statement = IdentityStatement(h: state.h, s: s, audience: responder.did)
    let honest = statement.signed(
      by: party.signer, role: .initiator, documentHash: party.identity.documentHash, sendsDocument: true)
    message += state.encryptAndHash(payload(honest, statement))
    transcriptHash = state.h
    return message
  }
}
