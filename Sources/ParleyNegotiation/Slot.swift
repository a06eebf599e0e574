import ParleyCrypto
import ParleyIdentity
public import ParleyWire

/// The name of a witness's slot: for one offer, with one key that may write it, until one instant.
///
/// Section 2 of docs/protocol/witness.md.
public struct Slot: Hashable, Sendable {
  /// Bytes of a write.
  public static let writeByteCount = 64

  /// The offer's id.
  public var offer: StatementID
  /// The Ed25519 key whose signature writes the slot.
  public var key: Hash256
  /// Until when it may be written, by the witness's clock.
  public var deadline: UnixNanoseconds

  /// Names a slot.
  public init(offer: StatementID, key: Hash256, deadline: UnixNanoseconds) {
    self.offer = offer
    self.key = key
    self.deadline = deadline
  }

  /// The slot's id.
  public var id: Hash256 {
    var tail = [UInt8]()
    tail.appendBigEndian(deadline.rawValue)
    return .tagged("parley/witness1 slot", offer.bytes, key.bytes, tail)
  }

  /// What the write of `content` signs.
  public func writtenBytes(_ content: Hash256) -> [UInt8] {
    Array("parley/witness1 write".utf8) + [0] + id.bytes + content.bytes
  }

  /// Whether the holder of the slot's key wrote `content`; never with a key that is none.
  public func isWritten(_ write: [UInt8], of content: Hash256) -> Bool {
    guard write.count == Self.writeByteCount, let key = try? Ed25519.PublicKey(raw: key.bytes) else { return false }
    return key.isValid(signature: write, for: writtenBytes(content))
  }
}

/// A content for a slot, signed by the slot's key.
public struct SlotWrite: Hashable, Sendable {
  /// ``Statement/slotContent`` of the Accept.
  public var content: Hash256
  /// The signature, ``Slot/writeByteCount`` bytes.
  public var signature: [UInt8]
}

/// A requester's own key for the slots of one dialogue: derived, so that it need not be stored, and shown to nobody.
struct SlotKey {
  private let key: Ed25519.SigningKey

  /// The key of this signer in a dialogue; always the same.
  init(_ signer: any Signer, _ dialogue: DialogueID) {
    let label = "parley/witness1 slot seed"
    let secret = signer.sign(Array(label.utf8) + [0] + dialogue.bytes, context: Stamp.signatureContext).ed25519
    key = Ed25519.SigningKey(seed: SecretBytes(copying: Hash256.tagged(label, secret).bytes))
  }

  var publicKey: Hash256 { Hash256(ed25519: key.publicKey) }

  func write(_ content: Hash256, to slot: Slot) -> [UInt8] { key.sign(slot.writtenBytes(content)) }
}

extension Hash256 {
  /// The bytes of a key, which are as many as those of a hash.
  init(ed25519 key: Ed25519.PublicKey) {
    guard let bytes = Hash256(key.raw) else { preconditionFailure("an Ed25519 key has 32 bytes") }
    self = bytes
  }
}

extension Accept {
  /// The content that the Accept with this header has for a slot.
  func slotContent(header: [UInt8]) -> Hash256 {
    var bare = self
    bare.slotWrite = nil
    return Envelope.id(header: header, payload: bare.encoded)
  }
}

extension Statement {
  /// What an Accept puts into a witness's slot: the id that it would have without the write; `nil` for other kinds.
  public var slotContent: Hash256? {
    guard case .accept(let accept) = payload else { return nil }
    return accept.slotContent(header: envelope.header)
  }
}
