public import ParleyIdentity
import ParleyWire

/// An entry and the proof that a signed journal holds it: a C2SP tlog-proof (c2sp.org/tlog-proof).
///
///     c2sp.org/tlog-proof@v1
///     extra AQAAAAAA…                               the entry, base64
///     index 12                                      its sequence number
///     gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=  from the leaf's sibling to the child of the root
///
///     did:peer:4zQm…                                the signed checkpoint
///     17
///     …
///
/// A proof that was read says nothing until ``verify(by:)`` has returned.
public struct EntryProof: Hashable, Sendable {
  /// The most that a proof may hold.
  public enum Limits {
    /// Bytes of the whole file.
    public static let byteCount = 512 << 10
    /// Hashes: the height of a tree of 2^62 leaves.
    public static let hashes = 62
  }

  /// The entry.
  public let entry: Entry
  /// From the leaf's sibling to the child of the root.
  public let hashes: [Digest]
  /// The keeper's signed checkpoint.
  public let checkpoint: SignedNote

  /// Puts a proof together.
  public init(entry: Entry, hashes: [Digest], checkpoint: SignedNote) {
    self.entry = entry
    self.hashes = hashes
    self.checkpoint = checkpoint
  }

  private static let magic = "c2sp.org/tlog-proof@v1"

  /// The proof's file.
  public var encoded: [UInt8] {
    var lines = [Self.magic, "extra \(Base64.encode(entry.encoded))", "index \(entry.sequence)"]
    lines += hashes.map { Base64.encode($0.bytes) }
    return Array((lines.joined(separator: "\n") + "\n\n").utf8) + checkpoint.encoded
  }

  /// Reads a proof; every byte must belong to it.
  ///
  /// - Throws: ``JournalError/malformedProof(_:)``, or what ``Entry/init(decoding:)`` and ``SignedNote/init(parsing:)``
  ///   throw.
  public init(decoding bytes: [UInt8]) throws(JournalError) {
    let parts = try ProofLines(bytes, limit: Limits.byteCount)
    guard parts.head.count >= 3, parts.head[0].elementsEqual(Self.magic.utf8) else { throw .malformedProof(.firstLine) }
    guard let extra = parts.head[1].rest(after: "extra "), let entry = Base64.decode(extra) else {
      throw .malformedProof(.extra)
    }
    self.entry = try Entry(decoding: entry)
    guard let index = parts.head[2].rest(after: "index "), index.hasSameBytes(as: String(self.entry.sequence)) else {
      throw .malformedProof(.index)
    }
    hashes = try parts.hashes(from: 3, limit: Limits.hashes)
    checkpoint = try SignedNote(parsing: parts.note)
    guard encoded == bytes else { throw .malformedProof(.form) }
  }

  /// Checks that the identity's journal holds the entry.
  ///
  /// - Returns: The checkpoint that the identity signed.
  /// - Throws: What ``Checkpoint/init(verifying:by:)`` throws, or ``JournalError/notIncluded(sequence:)``.
  public func verify(by identity: PeerIdentity) throws(JournalError) -> Checkpoint {
    let checkpoint = try Checkpoint(verifying: checkpoint, by: identity)
    guard
      MerkleTree.isIncluded(
        leaf: entry.hash, index: entry.sequence, size: checkpoint.size, proof: hashes, root: checkpoint.root)
    else { throw .notIncluded(sequence: entry.sequence) }
    return checkpoint
  }
}

/// The proof that a journal only grew from one signed checkpoint to another: the body of a C2SP witness's
/// `add-checkpoint` (c2sp.org/tlog-witness).
///
///     old 9                                         the size at the older checkpoint
///     gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=  RFC 9162 section 2.1.4.1
///
///     did:peer:4zQm…                                the newer signed checkpoint
///     17
///     …
///
/// The older checkpoint is not in it: who checks has it already.
public struct GrowthProof: Hashable, Sendable {
  /// The most that a proof may hold.
  public enum Limits {
    /// Bytes of the whole file.
    public static let byteCount = 128 << 10
    /// Hashes, as of c2sp.org/tlog-witness.
    public static let hashes = 63
  }

  /// Entries at the older checkpoint.
  public let oldSize: UInt64
  /// The hashes.
  public let hashes: [Digest]
  /// The keeper's newer signed checkpoint.
  public let checkpoint: SignedNote

  /// Puts a proof together.
  public init(oldSize: UInt64, hashes: [Digest], checkpoint: SignedNote) {
    self.oldSize = oldSize
    self.hashes = hashes
    self.checkpoint = checkpoint
  }

  /// The proof's file.
  public var encoded: [UInt8] {
    let lines = ["old \(oldSize)"] + hashes.map { Base64.encode($0.bytes) }
    return Array((lines.joined(separator: "\n") + "\n\n").utf8) + checkpoint.encoded
  }

  /// Reads a proof; every byte must belong to it.
  ///
  /// - Throws: ``JournalError/malformedProof(_:)``, or what ``SignedNote/init(parsing:)`` throws.
  public init(decoding bytes: [UInt8]) throws(JournalError) {
    let parts = try ProofLines(bytes, limit: Limits.byteCount)
    guard let first = parts.head.first, let old = first.rest(after: "old "), let size = UInt64(old) else {
      throw .malformedProof(.firstLine)
    }
    oldSize = size
    hashes = try parts.hashes(from: 1, limit: Limits.hashes)
    checkpoint = try SignedNote(parsing: parts.note)
    guard encoded == bytes else { throw .malformedProof(.form) }
  }

  /// Checks that the identity's journal of today begins with that of the older checkpoint.
  ///
  /// - Parameters:
  ///   - old: The older checkpoint, verified.
  ///   - identity: Whose journal it is.
  /// - Returns: The newer checkpoint that the identity signed.
  /// - Throws: What ``Checkpoint/init(verifying:by:)`` throws, or ``JournalError/notConsistent(oldSize:newSize:)``.
  public func verify(since old: Checkpoint, by identity: PeerIdentity) throws(JournalError) -> Checkpoint {
    let new = try Checkpoint(verifying: checkpoint, by: identity)
    guard old.origin.hasSameBytes(as: new.origin), old.size == oldSize,
      MerkleTree.isConsistent(
        oldSize: old.size, oldRoot: old.root, newSize: new.size, newRoot: new.root, proof: hashes)
    else { throw .notConsistent(oldSize: old.size, newSize: new.size) }
    return new
  }
}

/// What is wrong with the text of a proof.
public enum ProofFault: Hashable, Sendable {
  /// More bytes than the limit.
  case tooLong(Int)
  /// No empty line before the checkpoint.
  case noSeparator
  /// The first line does not say what it must.
  case firstLine
  /// The second line does not hold the entry.
  case extra
  /// The index is not the entry's.
  case index
  /// A line is not the base64 of 32 bytes, or there are too many.
  case hashes
  /// The bytes differ from the one form that this content has.
  case form
}

/// A proof's lines up to the first empty one, and the note behind it.
private struct ProofLines {
  let head: [ArraySlice<UInt8>]
  let note: [UInt8]

  init(_ bytes: [UInt8], limit: Int) throws(JournalError) {
    guard bytes.count <= limit else { throw .malformedProof(.tooLong(bytes.count)) }
    var head: [ArraySlice<UInt8>] = []
    var rest = bytes[...]
    while let end = rest.firstIndex(of: 0x0A) {
      let line = rest[..<end]
      rest = rest[(end + 1)...]
      guard !line.isEmpty else {
        self.head = head
        note = Array(rest)
        return
      }
      head.append(line)
    }
    throw .malformedProof(.noSeparator)
  }

  func hashes(from first: Int, limit: Int) throws(JournalError) -> [Digest] {
    let lines = head.dropFirst(first)
    guard lines.count <= limit else { throw .malformedProof(.hashes) }
    var hashes: [Digest] = []
    for line in lines {
      guard let text = line.rest(after: ""), let bytes = Base64.decode(text), let digest = Digest(bytes) else {
        throw .malformedProof(.hashes)
      }
      hashes.append(digest)
    }
    return hashes
  }
}

extension ArraySlice<UInt8> {
  /// The text behind a prefix; `nil` without it, and for what is not UTF-8.
  fileprivate func rest(after prefix: String) -> String? {
    guard starts(with: prefix.utf8) else { return nil }
    return String(validating: dropFirst(prefix.utf8.count), as: UTF8.self)
  }
}
