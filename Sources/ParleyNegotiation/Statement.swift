public import ParleyIdentity
import ParleyWire

/// A signed statement, cut into its parts but not yet believed.
///
///     0    1         3        3+h       7+h       7+h+p   8+h+p     72+h+p
///     +----+---------+--------+---------+---------+-------+---------+----------------------+
///     | 1  | u16 h   | header | u32 p   | payload | suite | ed25519 | mldsa65, suite 2 only|
///     +----+---------+--------+---------+---------+-------+---------+----------------------+
///
/// ``id`` covers header and payload, not the signatures; the bytes are kept as they arrived.
public struct Envelope: Hashable, Sendable {
  /// The whole statement.
  public let bytes: [UInt8]
  /// The encoded header.
  public let header: [UInt8]
  /// The encoded payload.
  public let payload: [UInt8]
  /// The signature or signatures over ``Statement/signedBytes(id:suite:)``.
  public let signature: IdentitySignature
  /// The statement's id.
  public let id: StatementID

  /// Cuts a statement into its parts.
  ///
  /// - Throws: MALFORMED when the bytes are not of this form or a part is over its limit; sizes that depend on the
  ///   kind are ``Statement/init(_:)``'s to check.
  public init(_ bytes: [UInt8]) throws(Fault) {
    guard let parts = Self.cut(bytes.rawSpan) else { throw Fault(.malformed) }
    self.bytes = bytes
    header = parts.header
    payload = parts.payload
    signature = parts.signature
    id = Self.id(header: header, payload: payload)
  }

  /// Signs a header and a payload.
  public init(header: [UInt8], payload: [UInt8], signer: any Signer) {
    precondition(header.count <= Header.byteLimit && payload.count <= Payload.confirmByteLimit)
    self.header = header
    self.payload = payload
    id = Self.id(header: header, payload: payload)
    let suite = signer.identity.suite
    signature = signer.sign(Statement.signedBytes(id: id, suite: suite), context: Statement.signatureContext)
    precondition(signature.suite == suite)
    var bytes = [UInt8]()
    bytes.reserveCapacity(8 + header.count + payload.count + Statement.signatureByteLimit)
    bytes.append(Statement.version)
    bytes.appendBigEndian(UInt16(header.count))
    bytes.append(contentsOf: header)
    bytes.appendBigEndian(UInt32(payload.count))
    bytes.append(contentsOf: payload)
    bytes.append(suite.rawValue)
    bytes.append(contentsOf: signature.ed25519)
    if let postQuantum = signature.mldsa65 { bytes.append(contentsOf: postQuantum) }
    self.bytes = bytes
  }

  /// Whether the signature is `identity`'s, in its suite.
  public func isSigned(by identity: PeerIdentity) -> Bool {
    isSigned(by: identity, IdentityKeys())
  }

  /// The id under which bytes count that cannot be cut.
  static func malformedID(_ bytes: [UInt8]) -> StatementID { .tagged("parley/neg1 malformed", bytes) }

  static func id(header: [UInt8], payload: [UInt8]) -> StatementID {
    var headerLength = [UInt8]()
    headerLength.appendBigEndian(UInt16(header.count))
    var payloadLength = [UInt8]()
    payloadLength.appendBigEndian(UInt32(payload.count))
    return .tagged("parley/neg1 statement", headerLength, header, payloadLength, payload)
  }

  private static func cut(
    _ bytes: RawSpan
  ) -> (header: [UInt8], payload: [UInt8], signature: IdentitySignature)? {
    var reader = ByteReader(bytes)
    guard reader.readUInt8() == Statement.version,
      let headerLength = reader.readBigEndian(as: UInt16.self), headerLength <= Header.byteLimit,
      let header = reader.readBytes(count: Int(headerLength)),
      let payloadLength = reader.readBigEndian(as: UInt32.self), payloadLength <= Payload.confirmByteLimit,
      let payload = reader.readBytes(count: Int(payloadLength)),
      let suite = reader.readUInt8().flatMap(SignatureSuite.init(rawValue:)),
      let ed25519 = reader.readBytes(count: 64)
    else { return nil }
    var postQuantum: [UInt8]?
    if suite == .ed25519MLDSA65 {
      guard let signature = reader.readBytes(count: 3_309) else { return nil }
      postQuantum = signature
    }
    guard reader.isAtEnd,
      let signature = try? IdentitySignature(suite: suite, ed25519: ed25519, mldsa65: postQuantum)
    else { return nil }
    return (header, payload, signature)
  }
}

/// A statement that is well-formed; whether it is its signer's is ``Envelope/isSigned(by:)``'s to say.
public struct Statement: Hashable, Sendable {
  /// The format's version, the first byte.
  public static let version: UInt8 = 1
  /// The context of ML-DSA-65 signatures.
  public static let signatureContext = "parley/neg1"
  /// The most bytes of the signatures.
  static let signatureByteLimit = 64 + 3_309
  /// The most bytes of any statement.
  public static let byteLimit = byteLimit(of: .confirm)

  /// The parts and the bytes.
  public let envelope: Envelope
  /// The header.
  public let header: Header
  /// The payload.
  public let payload: Payload

  /// The statement's id.
  public var id: StatementID { envelope.id }
  /// The statement as it arrived.
  public var bytes: [UInt8] { envelope.bytes }

  /// Reads a statement; signatures are not checked.
  ///
  /// - Throws: MALFORMED, VERSION or KIND, with the field.
  public init(_ bytes: [UInt8]) throws(Fault) {
    let envelope = try Envelope(bytes)
    try self.init(envelope, try Header.decode(envelope.header))
  }

  init(_ envelope: Envelope, _ header: Header) throws(Fault) {
    guard let kind = Kind(rawValue: header.kind) else { throw Fault(.kind, field: 2) }
    if kind != .confirm, envelope.payload.count > Payload.byteLimit { throw Fault(.malformed, "payload too long") }
    let payload = try Payload.decode(envelope.payload, of: kind)
    let expires =
      switch kind {
      case .quoteRequest, .quote, .counter: header.expiry > header.created
      case .accept, .confirm, .decline, .quoteCancel, .withdraw, .pass, .reject, .tradeAck, .incarnation,
        .massCancel:
        header.expiry.rawValue == 0
      }
    guard expires else { throw Fault(.malformed, field: 11) }
    if kind == .massCancel || kind == .incarnation, header.dialogue != .pair { throw Fault(.malformed, field: 3) }
    self.envelope = envelope
    self.header = header
    self.payload = payload
  }

  /// Signs a statement.
  ///
  /// - Precondition: the header's kind is the payload's.
  init(header: Header, payload: Payload, signer: any Signer) {
    precondition(header.kind == payload.kind.rawValue)
    envelope = Envelope(header: header.encoded, payload: payload.encoded, signer: signer)
    self.header = header
    self.payload = payload
  }

  /// What both signatures of a suite sign.
  public static func signedBytes(id: StatementID, suite: SignatureSuite) -> [UInt8] {
    Array("parley/neg1 sign".utf8) + [0, suite.rawValue] + id.bytes
  }

  /// The most bytes of a statement of one kind.
  public static func byteLimit(of kind: Kind) -> Int {
    8 + Header.byteLimit + (kind == .confirm ? Payload.confirmByteLimit : Payload.byteLimit) + signatureByteLimit
  }
}
