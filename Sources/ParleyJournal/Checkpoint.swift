public import ParleyIdentity
import ParleyWire

/// What a journal's keeper signs to pin it down: a C2SP checkpoint (c2sp.org/tlog-checkpoint).
///
/// Three lines: the origin, the number of entries in decimal, the Merkle root in base64.
public struct Checkpoint: Hashable, Sendable {
  /// The longest origin, in bytes.
  public static let maximumOriginByteCount = 255

  /// What is wrong with a checkpoint's text.
  public enum Fault: Hashable, Sendable {
    /// Not exactly three lines. Extension lines, which the format allows and advises against, are refused: nothing
    /// here could say what they mean.
    case lineCount(Int)
    /// The origin is empty, too long, or has a space, a plus sign or a control character.
    case origin
    /// The size is not a decimal number of 64 bits without leading zeros.
    case size
    /// The root is not the base64 of 32 bytes.
    case root
  }

  /// Whose journal it is: the DID of the node that keeps it.
  public let origin: String
  /// Entries in the journal.
  public let size: UInt64
  /// The Merkle root over them.
  public let root: Digest

  /// States where a journal stands.
  ///
  /// - Throws: ``JournalError/malformedCheckpoint(_:)`` for an origin that cannot be one.
  public init(origin: String, size: UInt64, root: Digest) throws(JournalError) {
    guard origin.utf8.count <= Self.maximumOriginByteCount, NoteKey.isName(origin[...]) else {
      throw .malformedCheckpoint(.origin)
    }
    self.origin = origin
    self.size = size
    self.root = root
  }

  /// Reads a checkpoint from the text of a note.
  ///
  /// - Throws: ``JournalError/malformedCheckpoint(_:)``.
  public init(text: String) throws(JournalError) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count == 4, lines[3].isEmpty else { throw .malformedCheckpoint(.lineCount(lines.count - 1)) }
    guard let size = UInt64(lines[1]), String(size) == lines[1] else { throw .malformedCheckpoint(.size) }
    guard let bytes = Base64.decode(String(lines[2])), let root = Digest(bytes) else {
      throw .malformedCheckpoint(.root)
    }
    try self.init(origin: String(lines[0]), size: size, root: root)
  }

  /// The three lines, each with its newline.
  public var text: String { "\(origin)\n\(size)\n\(Base64.encode(root.bytes))\n" }

  /// Signs the state of one's own journal.
  public static func sign(_ head: JournalHead, by signer: any Signer) -> SignedNote {
    sign(size: head.size, root: head.root, by: signer)
  }

  /// Signs the state of one's own journal.
  public static func sign(size: UInt64, root: Digest, by signer: any Signer) -> SignedNote {
    let origin = signer.identity.did.string
    return SignedNote(signing: "\(origin)\n\(size)\n\(Base64.encode(root.bytes))\n", by: signer)
  }

  /// Reads a signed checkpoint and checks that the node whose journal it is about signed it.
  ///
  /// - Throws: ``JournalError/malformedCheckpoint(_:)``, ``JournalError/notSigned(by:)``,
  ///   ``JournalError/wrongNoteSignature(by:)``, or ``JournalError/receiptMismatch(_:)`` with
  ///   ``Receipt/Mismatch/origin`` when it is about another's journal.
  public init(verifying note: SignedNote, by identity: PeerIdentity) throws(JournalError) {
    let checkpoint = try Checkpoint(text: note.text)
    guard checkpoint.origin.hasSameBytes(as: identity.did.string) else { throw .receiptMismatch(.origin) }
    try note.verify(by: NoteKey(identity: identity))
    self = checkpoint
  }
}
