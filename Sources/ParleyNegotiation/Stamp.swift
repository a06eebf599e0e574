public import ParleyIdentity
public import ParleyWire

/// What a witness says, signed, of one of its slots: what is in it and since when, or that it stays empty.
///
/// Section 3 of docs/protocol/witness.md. Whether it is the witness's is ``isSigned(by:)``'s to say.
public struct Stamp: Hashable, Sendable {
  /// The context of ML-DSA-65 signatures.
  public static let signatureContext = "parley/witness1"
  /// The longest body, in bytes.
  public static let bodyByteLimit = 1_024
  /// The longest stamp, in bytes.
  public static let byteLimit = bodyByteLimit + 64 + 3_309 + 16

  /// The witness's DID.
  public let witness: String
  /// The fragment of its Ed25519 key.
  public let keyFragment: String
  /// The hash of its document.
  public let documentHash: Hash256
  /// The slot.
  public let slot: Slot
  /// What is in it; `nil` for EMPTY: nothing, for ever.
  public let content: Hash256?
  /// When it was written, or an instant after the deadline, by the witness's clock.
  public let time: UnixNanoseconds
  /// The whole stamp.
  public let bytes: [UInt8]
  /// The hash that stands for the body.
  public let id: Hash256
  private let signature: IdentitySignature

  /// Whether this is the witness's word, with the keys and the document of `identity`.
  public func isSigned(by identity: PeerIdentity) -> Bool {
    witness.hasSameBytes(as: identity.did.string) && keyFragment.hasSameBytes(as: identity.keyFragment)
      && documentHash.bytes == identity.documentHash && signature.suite == identity.suite
      && identity.isValid(
        signature, for: Self.signedBytes(id: id, suite: identity.suite), context: Self.signatureContext)
  }

  /// Whether both are of one slot of one witness, and cannot both be true.
  public func contradicts(_ other: Stamp) -> Bool {
    witness.hasSameBytes(as: other.witness) && slot == other.slot && content != other.content
  }

  /// What both signatures of a suite sign.
  static func signedBytes(id: Hash256, suite: SignatureSuite) -> [UInt8] {
    Array("parley/witness1 sign".utf8) + [0, suite.rawValue] + id.bytes
  }
}

extension Stamp {
  /// Signs a stamp.
  ///
  /// - Precondition: the time is on the side of the deadline that the content says.
  init(_ slot: Slot, content: Hash256?, time: UnixNanoseconds, signer: any Signer) {
    precondition(content != .zero && (content == nil) == (time > slot.deadline))
    let identity = signer.identity
    guard let documentHash = Hash256(identity.documentHash) else {
      preconditionFailure("a document's hash has 32 bytes")
    }
    var body = MessagePackWriter(reservingCapacity: 256)
    body.appendArray(count: 8)
    body.append(identity.did.string)
    body.append(identity.keyFragment)
    body.append(documentHash)
    body.append(slot.offer)
    body.append(slot.key)
    body.append(slot.deadline)
    body.append(content ?? .zero)
    body.append(time)
    let id = Hash256.tagged("parley/witness1 stamp", body.bytes)
    let signature = signer.sign(
      Self.signedBytes(id: id, suite: identity.suite), context: Self.signatureContext)
    var writer = MessagePackWriter(reservingCapacity: body.bytes.count + 96)
    writer.appendArray(count: 5)
    writer.append(1 as UInt8)
    writer.appendBinary(body.bytes)
    writer.append(signature.suite.rawValue)
    writer.appendBinary(signature.ed25519)
    if let part = signature.mldsa65 { writer.appendBinary(part) } else { writer.appendNil() }
    self.init(
      witness: identity.did.string, keyFragment: identity.keyFragment, documentHash: documentHash, slot: slot,
      content: content, time: time, bytes: writer.bytes, id: id, signature: signature)
  }

  /// Reads a stamp; its signatures are not checked.
  ///
  /// - Throws: MALFORMED.
  public init(_ bytes: [UInt8]) throws(Fault) {
    guard bytes.count <= Self.byteLimit else { throw Fault(.malformed, "a stamp too long") }
    var reader = try FieldReader(bytes.rawSpan, count: 5, base: 0)
    _ = try reader.int(1, in: 1...1)
    let body = try reader.bin(2, limit: Self.bodyByteLimit)
    let suite = try reader.choice(3, SignatureSuite.self)
    let ed25519 = try reader.bin(4, count: 64)
    var postQuantum: [UInt8]?
    if !(try reader.isNil(5)) { postQuantum = try reader.bin(5, count: 3_309) }
    try reader.finish()
    guard let signature = try? IdentitySignature(suite: suite, ed25519: ed25519, mldsa65: postQuantum) else {
      throw Fault(.malformed, field: 5)
    }
    var fields = try FieldReader(body.rawSpan, count: 8, base: 10)
    let witness = try fields.string(1, limit: Header.didByteLimit)
    let keyFragment = try fields.string(2, limit: PeerIdentity.keyFragmentLimit)
    let documentHash = try fields.hash(3)
    let slot = Slot(offer: try fields.hash(4), key: try fields.hash(5), deadline: try fields.time(6))
    let content = try fields.hash(7)
    let time = try fields.time(8)
    try fields.finish()
    guard (content == .zero) == (time > slot.deadline) else { throw Fault(.malformed, field: 18) }
    self.init(
      witness: witness, keyFragment: keyFragment, documentHash: documentHash, slot: slot,
      content: content == .zero ? nil : content, time: time, bytes: bytes,
      id: .tagged("parley/witness1 stamp", body), signature: signature)
  }
}
