public import ParleyIdentity

/// Why a handshake or a channel ended, for the local log only: the peer learns none of it.
///
/// No case carries a secret. Except where a case says so, the fault is the peer's, and the machine that threw has
/// erased its keys: every later input to it throws ``ended``. How the driver then closes is section 9 of
/// `docs/protocol/secure-channel.md`.
public enum HandshakeError: Error, Hashable, Sendable {
  // MARK: The carrier

  /// The `Parley-Handshake` field is not message 1 in base64url without padding.
  case malformedHeader
  /// The offered subprotocols are longer than the prologue allows, both in bytes.
  case offerTooLong(Int, limit: Int)
  /// The subprotocol that was selected is not `parley.v1`, or was not offered.
  case unexpectedSubprotocol
  /// Another number of bytes of channel binding than RFC 9266 gives. The fault is this program's.
  case malformedChannelBinding

  // MARK: The messages

  /// A message has a length that no such message has, in bytes.
  case wrongMessageLength(HandshakeMessage, Int)
  /// Message 1 is of another version of the protocol.
  case unsupportedVersion(UInt16)
  /// Message 1 has flags, of which none is defined.
  case unsupportedFlags(UInt16)
  /// The first authenticator of message 1 does not match: the sender does not know this responder's DID.
  case wrongAuthenticator
  /// The KEM key of message 1 has a coefficient that is not reduced (FIPS 203 section 7.2).
  case invalidEncapsulationKey
  /// The peer's ephemeral or static key has small order: the Diffie-Hellman output is zero.
  case zeroSharedSecret
  /// The peer's ephemeral or static key is this side's own: a reflection, or a broken random generator.
  case reflectedKey
  /// An encrypted part of a message does not open: it was changed, or the two sides do not share the same transcript.
  case decryptionFailed(HandshakeMessage)
  /// RETRY is malformed, or asks for more than may be asked for.
  case malformedRetry
  /// The responder has asked for work more often than an initiator lets itself be asked.
  case tooManyRetries
  /// A message came when none, or another, was due.
  case unexpectedMessage
  /// An earlier input ended this machine.
  case ended

  // MARK: The peer's identity

  /// This field of the identity payload is malformed.
  case malformedIdentity(IdentityField)
  /// The payload says that its sender has this role, which is not the peer's.
  case wrongRole(UInt8)
  /// The peer is another DID than the one dialled, or than the one that was resolved. Cut to ``textLimit`` bytes.
  case wrongDID(found: String)
  /// The peer claims this side's own DID.
  case ownDID
  /// The key that the peer names cannot be used: the document does not list it for authentication, for example.
  case unusableKey(IdentityError)
  /// The peer's document is not the one this side has: it is stale, or the host shows two.
  case documentMismatch
  /// The peer signs with another suite than its document demands.
  case wrongSuite(found: UInt8)
  /// A signature of the identity payload is not valid.
  case invalidSignature

  // MARK: The channel

  /// The responder knows who calls, and refuses.
  case refused(RefusalCode)
  /// The body of an ACCEPT or REFUSE record is malformed.
  case malformedAnswer
  /// The ACCEPT record names other DIDs than those of this handshake.
  case acceptedForOthers
  /// A record has a length that no record has, in bytes.
  case wrongRecordLength(Int)
  /// A record is of an epoch that is not the current one.
  case unexpectedEpoch(UInt32)
  /// A record does not open: it was changed, replayed, reordered, or one before it is missing.
  case recordDecryptionFailed
  /// A record's body is longer than the record, or its padding is not zero or not the least.
  case malformedRecord
  /// A record of this type is unknown, or not due now.
  case unexpectedRecordType(UInt8)
  /// A record came after CLOSE.
  case recordAfterClose
  /// The connection ended without a CLOSE record: the peer's last words may be missing.
  case truncated
  /// The body of an OFFER, REPLY or DONE record is malformed, or of another epoch than the next.
  case malformedRatchet
  /// The body of a RESUME or RESUMED record is malformed, or RESUMED does not prove what it must.
  case malformedResumption
  /// The epoch has carried all that one set of keys may carry. To seal is then refused, which is nobody's fault and
  /// ends nothing; a peer that sends more is at fault.
  case epochExhausted
  /// This side has sent CLOSE and cannot send more. The fault is this program's.
  case closed

  /// How many bytes of a text from the peer a case holds at most.
  public static let textLimit = 96

  static func cut(_ bytes: [UInt8]) -> String { String(decoding: bytes.prefix(textLimit), as: UTF8.self) }
}

/// The handshake messages.
public enum HandshakeMessage: UInt8, Hashable, Sendable {
  /// `e, e1`, from the initiator.
  case one = 1
  /// `e, ee, ekem1, s, es`, from the responder.
  case two = 2
  /// `s, se`, from the initiator.
  case three = 3
}

extension HandshakeMessage: CustomStringConvertible {
  /// `message 1`, `message 2` or `message 3`.
  public var description: String { "message \(rawValue)" }
}

/// The fields of an identity payload, in the order in which they stand there.
public enum IdentityField: Hashable, Sendable {
  /// The payload's version.
  case version
  /// The sender's role.
  case role
  /// The DID: not well-formed, a long form, or longer than 255 bytes.
  case did
  /// The fragment of the verification method: empty, not UTF-8, or longer than 64 bytes.
  case keyFragment
  /// The hash of the document.
  case documentHash
  /// The signature suite.
  case suite
  /// The Ed25519 signature: not 64 bytes.
  case ed25519Signature
  /// The ML-DSA-65 signature: there without suite 2, missing with it, or of another size.
  case mldsa65Signature
  /// The document: cut short, or there for a DID that is not a did:peer:4.
  case document
  /// The extensions: longer than 256 bytes.
  case extensions
  /// The padding: not zero, or longer than needed.
  case padding
}

/// Why a responder that knows who calls refuses.
public struct RefusalCode: RawRepresentable, Hashable, Sendable {
  /// The code on the wire.
  public let rawValue: UInt16

  /// Wraps any code; those of later versions are kept as they are.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// No room for one more session.
  public static let busy = RefusalCode(rawValue: 1)
  /// A session with this DID is already open.
  public static let duplicate = RefusalCode(rawValue: 2)
  /// The node is stopping.
  public static let shuttingDown = RefusalCode(rawValue: 3)
  /// The operator has not approved this DID yet.
  public static let awaitingApproval = RefusalCode(rawValue: 4)
  /// The operator wants no session with this DID.
  public static let denied = RefusalCode(rawValue: 5)
  /// The DID has other keys than the operator approved, and nothing leads from those to these.
  public static let keysChanged = RefusalCode(rawValue: 6)
}
