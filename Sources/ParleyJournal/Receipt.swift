public import ParleyIdentity

/// Everything that a stranger needs to check a dialogue offline: `docs/protocol/receipt.md`.
///
/// A receipt that was read says nothing until ``verify(statementInBody:)`` has returned.
public struct Receipt: Hashable, Sendable {
  /// The version of the format.
  public static let version: Int64 = 1

  /// The most that a receipt may hold.
  public enum Limits {
    /// Bytes of the whole file.
    public static let byteCount = 8 << 20
    /// Statements.
    public static let statements = 256
    /// Bytes of one statement.
    public static let statementByteCount = 32_768
    /// Bytes of one DID document.
    public static let documentByteCount = 65_536
    /// Witnesses.
    public static let witnesses = 3
    /// Stamps.
    public static let stamps = 256
    /// Bytes of one stamp.
    public static let stampByteCount = 4_413
    /// Hashes of one inclusion proof: the height of a tree of 2^62 leaves.
    public static let proofLength = 62
  }

  /// Which way a statement went, seen from the node that issued the receipt.
  public enum Direction: String, Hashable, Sendable {
    /// The issuer made it.
    case sent
    /// The counterparty made it.
    case received
  }

  /// One side of the dialogue, with its DID document as it was resolved.
  public struct Party: Hashable, Sendable {
    /// The DID, in its short form.
    public let did: String
    /// The name of its Ed25519 key within the document, without `#`.
    public let keyFragment: String
    /// The exact bytes: `PeerIdentity.documentBytes`.
    public let document: [UInt8]

    /// Takes the side's identity apart.
    public init(_ identity: PeerIdentity) {
      did = identity.did.string
      keyFragment = identity.keyFragment
      document = identity.documentBytes
    }

    init(did: String, keyFragment: String, document: [UInt8]) {
      self.did = did
      self.keyFragment = keyFragment
      self.document = document
    }
  }

  /// One statement of the dialogue, and the journal entry that holds it.
  public struct Item: Hashable, Sendable {
    /// Which way it went.
    public let direction: Direction
    /// The statement, exactly as it was sent or received.
    public let statement: [UInt8]
    /// The entry of the issuer's journal.
    public let entry: Entry
    /// Proves that the entry is in the tree that the checkpoint signs.
    public let proof: [Digest]

    /// Joins them.
    public init(direction: Direction, statement: [UInt8], entry: Entry, proof: [Digest]) {
      self.direction = direction
      self.statement = statement
      self.entry = entry
      self.proof = proof
    }
  }

  /// A statement and which way it went, as the body of an entry says.
  public struct HeldStatement: Hashable, Sendable {
    /// Which way it went.
    public let direction: Direction
    /// The statement's bytes.
    public let statement: [UInt8]

    /// Joins them.
    public init(direction: Direction, statement: [UInt8]) {
      self.direction = direction
      self.statement = statement
    }
  }

  /// The node that keeps the journal and signed the checkpoint.
  public let issuer: Party
  /// The other side.
  public let counterparty: Party
  /// All statements of the dialogue, in the order of the issuer's journal.
  public let statements: [Item]
  /// Who signed the stamps; empty exactly if there are none.
  public let witnesses: [Party]
  /// What they said of the slots of the dialogue's offers (docs/protocol/witness.md).
  public let stamps: [[UInt8]]
  /// The issuer's signed checkpoint, over a journal that holds all the entries.
  public let checkpoint: SignedNote

  /// Puts a receipt together.
  public init(
    issuer: Party, counterparty: Party, statements: [Item], witnesses: [Party] = [], stamps: [[UInt8]] = [],
    checkpoint: SignedNote
  ) {
    precondition(witnesses.isEmpty == stamps.isEmpty)
    self.issuer = issuer
    self.counterparty = counterparty
    self.statements = statements
    self.witnesses = witnesses
    self.stamps = stamps
    self.checkpoint = checkpoint
  }

  /// What is wrong with a receipt's text.
  ///
  /// Paths name the place: `statements[3].entry`.
  public enum Fault: Hashable, Sendable {
    /// More bytes than ``Limits/byteCount``.
    case tooLong(Int)
    /// Not JSON, or with a name twice in one object.
    case notJSON
    /// Another version.
    case version
    /// The bytes differ from the one form that this content has.
    case form
    /// A field is missing.
    case missing(String)
    /// A field that the format does not have.
    case unknown(String)
    /// A field of another type, or text that is not what the field holds.
    case value(String)
    /// A field, or the number of statements, is beyond its limit, or there is none.
    case limit(String)
  }

  /// What contradicts itself in a receipt.
  ///
  /// Indexes count the statements from 0.
  public enum Mismatch: Hashable, Sendable {
    /// The checkpoint is about another node's journal.
    case origin
    /// Both sides are the same.
    case parties
    /// The entry is not in the tree that the checkpoint signs.
    case proof(index: Int)
    /// The entries are not in the order of the journal.
    case order(index: Int)
    /// The entry follows the one before it directly, and is not linked to it.
    case link(index: Int)
    /// The entry is about another counterparty, or belongs to another dialogue than the first.
    case entry(index: Int)
    /// The entry does not hold this statement, or says that it went the other way.
    case statement(index: Int)
  }
}

/// A receipt whose documents, checkpoint, entries and proofs all hold.
///
/// Only ``Receipt/verify(statementInBody:)`` makes one. It proves what the issuer's journal held when the checkpoint was signed. What the statements mean, and whether
/// their own signatures hold, is for the negotiation to say.
public struct VerifiedReceipt: Hashable, Sendable {
  /// The issuer, with the keys of its document.
  public let issuer: PeerIdentity
  /// The other side, with the keys of its document.
  public let counterparty: PeerIdentity
  /// The statements, in the order of the issuer's journal.
  public let statements: [Receipt.Item]
  /// The witnesses, with the keys of their documents.
  public let witnesses: [PeerIdentity]
  /// What is said to be theirs, unread.
  public let stamps: [[UInt8]]
  /// What the issuer signed.
  public let checkpoint: Checkpoint
}
