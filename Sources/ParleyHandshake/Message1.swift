import ParleyCrypto
import ParleyIdentity
import ParleyWire

/// Message 1: `e ‖ e1 ‖ P1`, always 1276 bytes.
///
///     0      32                1216                                   1276
///     +------+-----------------+--------------------------------------+
///     | e    | e1              | P1                                   |
///     +------+-----------------+--------------------------------------+
///     P1 = u16 version ‖ u16 flags ‖ token[32] ‖ u64 work ‖ mac1[16]
///
/// `mac1` shows that the sender knows the responder's DID, before any public-key operation. `token` and `work` are
/// for a responder under load; zeros otherwise.
struct Message1 {
  static let byteCount = XXhfs.message1PayloadOffset + payloadByteCount
  static let payloadByteCount = 60
  private static let authenticatorByteCount = 16
  private static let authenticatedPayloadByteCount = payloadByteCount - authenticatorByteCount

  let bytes: [UInt8]

  var e: [UInt8] { Array(bytes[..<XXhfs.keyByteCount]) }
  var e1: [UInt8] { Array(bytes[XXhfs.keyByteCount..<XXhfs.message1PayloadOffset]) }
  var payload: [UInt8] { Array(bytes[XXhfs.message1PayloadOffset...]) }
  var token: [UInt8] { Array(bytes[Self.tokenOffset..<Self.workOffset]) }
  var work: UInt64 { bytes[Self.workOffset..<Self.workOffset + 8].reduce(0) { $0 << 8 | UInt64($1) } }

  static let tokenByteCount = 32
  private static let tokenOffset = XXhfs.message1PayloadOffset + 4
  private static let workOffset = tokenOffset + tokenByteCount

  /// Writes a message to the responder of that DID.
  ///
  /// - Parameters:
  ///   - e: The X25519 key.
  ///   - e1: The ML-KEM key.
  ///   - responder: Whom it is for.
  ///   - token: A cookie or a priority token; `nil` for zeros.
  ///   - work: What makes the hash of token and keys small.
  init(e: [UInt8], e1: [UInt8], to responder: DID, token: [UInt8]? = nil, work: UInt64 = 0) {
    var bytes = e + e1
    bytes.appendBigEndian(ProtocolVersion.current)
    bytes.appendBigEndian(0 as UInt16)
    bytes += token ?? [UInt8](repeating: 0, count: Self.tokenByteCount)
    bytes.appendBigEndian(work)
    bytes += Self.authenticator(of: bytes, responder: responder)
    precondition(bytes.count == Self.byteCount)
    self.bytes = bytes
  }

  /// Reads a message that came to the responder of that DID, cheapest check first.
  init(_ bytes: [UInt8], at responder: DID) throws(HandshakeError) {
    guard bytes.count == Self.byteCount else { throw .wrongMessageLength(.one, bytes.count) }
    var reader = ByteReader(bytes.rawSpan.extracting(droppingFirst: XXhfs.message1PayloadOffset))
    guard let version = reader.readBigEndian(as: UInt16.self), let flags = reader.readBigEndian(as: UInt16.self) else {
      throw .wrongMessageLength(.one, bytes.count)
    }
    guard version == ProtocolVersion.current else { throw .unsupportedVersion(version) }
    guard flags == 0 else { throw .unsupportedFlags(flags) }
    let end = Self.byteCount - Self.authenticatorByteCount
    let expected = Self.authenticator(of: Array(bytes[..<end]), responder: responder)
    guard ConstantTime.equal(Array(bytes[end...]), expected) else { throw .wrongAuthenticator }
    self.bytes = bytes
  }

  /// `mac1` over all of the message before it.
  private static func authenticator(of bytes: [UInt8], responder: DID) -> [UInt8] {
    precondition(bytes.count == XXhfs.message1PayloadOffset + authenticatedPayloadByteCount)
    let key = SHA256.hash(Array("parley/psc1 mac1".utf8), Array(responder.string.utf8))
    return Array(HMACSHA256.authenticate(bytes, key: key)[..<authenticatorByteCount])
  }
}

/// The field of the upgrade request that carries message 1.
public enum HandshakeHeader {
  /// The field's name.
  public static let name = "Parley-Handshake"
  /// Characters of its value.
  public static let characterCount = 1702

  /// The value that carries a message 1.
  public static func encode(_ message1: [UInt8]) -> String { Base64URL.encode(message1) }

  /// The message that a value carries.
  ///
  /// - Throws: ``HandshakeError/malformedHeader`` for a value of another length or that is not base64url without
  ///   padding, its unused bits zero.
  public static func decode(_ value: String) throws(HandshakeError) -> [UInt8] {
    guard value.utf8.count == characterCount, let bytes = Base64URL.decode(value), bytes.count == Message1.byteCount
    else { throw .malformedHeader }
    return bytes
  }
}
