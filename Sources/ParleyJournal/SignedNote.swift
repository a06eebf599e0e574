public import ParleyCrypto
public import ParleyIdentity
import ParleyWire

/// A text and the signatures under it: a C2SP signed note (c2sp.org/signed-note).
///
///     did:peer:4zQm…
///     20852163
///     CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
///
///     — did:peer:4zQm… Az3grlgtzPICa5OS8npVmf1Myq/5IZni…
///
/// Only Ed25519 signatures (type 1) are made and checked here. Others, such as those of witnesses, are carried along.
public struct SignedNote: Hashable, Sendable {
  /// What a note may at most hold.
  public enum Limits {
    /// Bytes of a whole note.
    public static let byteCount = 65_536
    /// Signatures under a note.
    public static let signatures = 100
  }

  /// What is wrong with a note's bytes.
  public enum Fault: Hashable, Sendable {
    /// More bytes than ``Limits/byteCount``.
    case tooLong(Int)
    /// Not UTF-8.
    case notText
    /// A control character other than the newline.
    case controlCharacter
    /// No blank line between the text and the signatures, or no text.
    case noSeparator
    /// No signature.
    case noSignature
    /// More signatures than ``Limits/signatures``.
    case tooManySignatures
    /// A signature line, counted from 0, is not `— name base64`.
    case signatureLine(Int)
  }

  /// One signature line.
  public struct Signature: Hashable, Sendable {
    /// The key's name.
    public let name: String
    /// The first four bytes of the key's hash.
    public let keyID: UInt32
    /// The signature itself.
    public let signature: [UInt8]
  }

  /// What is signed, with its last newline.
  public let text: String
  /// The signatures, in their order; at least one.
  public let signatures: [Signature]

  /// Signs a text.
  ///
  /// - Parameters:
  ///   - text: One or more lines, each with its newline.
  ///   - signer: The note names its DID, and carries its Ed25519 signature over the text as it is: a note's text
  ///     begins with a log's origin, which no other thing that the key signs does.
  /// - Precondition: `text` is not empty, ends in a newline, holds no other control character, and no blank line.
  public init(signing text: String, by signer: any Signer) {
    precondition(Self.isWellFormed(text) && !text.utf8.contains(Self.newline, Self.newline))
    let key = NoteKey(identity: signer.identity)
    let signature = signer.sign(Array(text.utf8), context: Self.signingContext)
    self.text = text
    self.signatures = [Signature(name: key.name, keyID: key.id, signature: signature.ed25519)]
  }

  /// Reads a note.
  ///
  /// Nothing it says may be believed before ``verify(by:)``.
  ///
  /// - Throws: ``JournalError/malformedNote(_:)``.
  public init(parsing bytes: [UInt8]) throws(JournalError) {
    guard bytes.count <= Limits.byteCount else { throw .malformedNote(.tooLong(bytes.count)) }
    guard let note = String(validating: bytes, as: UTF8.self) else { throw .malformedNote(.notText) }
    guard bytes.allSatisfy({ $0 >= 0x20 || $0 == Self.newline }) else { throw .malformedNote(.controlCharacter) }
    let lines = note.utf8.split(separator: Self.newline, omittingEmptySubsequences: false)
    // The last newline leaves an empty piece behind it; the blank line before the signatures is another.
    guard lines.count >= 2, lines.last?.isEmpty == true,
      let blank = lines.dropLast().lastIndex(where: \.isEmpty), blank > 0
    else { throw .malformedNote(.noSeparator) }
    let signatureLines = lines[(blank + 1)...].dropLast()
    guard !signatureLines.isEmpty else { throw .malformedNote(.noSignature) }
    guard signatureLines.count <= Limits.signatures else { throw .malformedNote(.tooManySignatures) }
    var signatures = [Signature]()
    for line in signatureLines {
      guard let signature = Signature(line: Substring(line)) else {
        throw .malformedNote(.signatureLine(signatures.count))
      }
      signatures.append(signature)
    }
    self.text = lines[..<blank].map { String(Substring($0)) + "\n" }.joined()
    self.signatures = signatures
  }

  /// The note's bytes.
  public var encoded: [UInt8] {
    var note = text + "\n"
    for signature in signatures {
      var blob = [UInt8]()
      blob.appendBigEndian(signature.keyID)
      blob.append(contentsOf: signature.signature)
      note += "\u{2014} \(signature.name) \(Base64.encode(blob))\n"
    }
    return Array(note.utf8)
  }

  /// Checks that a key signed the text.
  ///
  /// Signatures by other keys are ignored. If the key signed more than once, all must verify.
  ///
  /// - Throws: ``JournalError/notSigned(by:)`` or ``JournalError/wrongNoteSignature(by:)``.
  public func verify(by key: NoteKey) throws(JournalError) {
    let own = signatures.filter { $0.name.hasSameBytes(as: key.name) && $0.keyID == key.id }
    guard !own.isEmpty else { throw .notSigned(by: key.name) }
    let message = Array(text.utf8)
    for signature in own {
      guard key.publicKey.isValid(signature: signature.signature, for: message) else {
        throw .wrongNoteSignature(by: key.name)
      }
    }
  }

  /// The context under which a signer with an ML-DSA key signs too; a note carries no such signature.
  static let signingContext = "parley/checkpoint1"

  private static let newline = UInt8(ascii: "\n")

  private static func isWellFormed(_ text: String) -> Bool {
    text.utf8.count > 1 && text.utf8.last == newline && text.utf8.allSatisfy { $0 >= 0x20 || $0 == newline }
  }
}

/// A key that signs notes: a name and an Ed25519 key.
public struct NoteKey: Hashable, Sendable {
  /// The key's name: for a node its DID.
  public let name: String
  /// The key itself.
  public let publicKey: Ed25519.PublicKey

  /// Names a key, or returns `nil` if a note could not carry the name: it is empty, or has a space, a plus sign or a
  /// control character.
  public init?(name: String, publicKey: Ed25519.PublicKey) {
    guard Self.isName(name[...]) else { return nil }
    self.name = name
    self.publicKey = publicKey
  }

  /// The key by which a node signs its checkpoints: its DID's Ed25519 key, under the DID's name.
  public init(identity: PeerIdentity) {
    // The syntax of a DID has neither spaces nor a plus sign.
    precondition(Self.isName(identity.did.string[...]))
    name = identity.did.string
    publicKey = identity.ed25519
  }

  /// The first four bytes of `SHA-256(name ‖ newline ‖ 01 ‖ key)`.
  public var id: UInt32 {
    SHA256.hash(Array(name.utf8), [0x0A, 0x01], publicKey.raw).prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
  }

  static func isName(_ name: Substring) -> Bool {
    !name.isEmpty
      && name.unicodeScalars.allSatisfy { !$0.properties.isWhitespace && $0 != "+" && $0.value >= 0x20 }
  }
}

extension SignedNote.Signature {
  /// Reads `— name base64`.
  fileprivate init?(line: Substring) {
    let parts = line.unicodeScalars.split(separator: " ", omittingEmptySubsequences: false)
    guard parts.count == 3, String(parts[0]) == "\u{2014}", NoteKey.isName(Substring(parts[1])),
      let blob = Base64.decode(String(parts[2])), blob.count > 4
    else { return nil }
    name = String(parts[1])
    keyID = blob.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    signature = Array(blob.dropFirst(4))
  }
}

extension Sequence where Element: Equatable {
  /// Whether two elements follow each other directly.
  fileprivate func contains(_ first: Element, _ second: Element) -> Bool {
    var previous: Element?
    for element in self {
      if previous == first, element == second { return true }
      previous = element
    }
    return false
  }
}
