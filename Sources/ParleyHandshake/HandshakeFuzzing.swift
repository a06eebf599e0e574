import ParleyCrypto
public import ParleyIdentity
import ParleyWire

/// Ways for the fuzz targets to reach parsers that stand behind an authenticated decryption.
@_spi(Fuzzing)
public enum HandshakeFuzzing {
  /// Reads an identity payload and writes it again.
  public static func identityPayload(_ bytes: [UInt8], from role: Role) throws(HandshakeError) -> [UInt8] {
    try IdentityPayload(bytes, from: role).encoded
  }

  /// Seals a plaintext of any form as the first record, opens it, and seals what was found in it.
  ///
  /// - Returns: The two records, which should be one and the same.
  public static func record(inner: [UInt8]) throws(HandshakeError) -> (first: [UInt8], again: [UInt8]) {
    let secret = SecretBytes(count: SHA256.byteCount)
    var key = TrafficKey(secret: secret)
    var data = [UInt8]()
    data.appendBigEndian(KeySchedule.firstEpoch)
    var first = data
    data.append(Role.initiator.rawValue)
    data.appendBigEndian(0 as UInt64)
    let nonce = key.iv.masked(by: 0)
    key.cipher.seal(inner.rawSpan, nonce: nonce, additionalData: data.rawSpan, appendingTo: &first)

    var receiving = RecordDirection(sender: .initiator, secret: secret)
    var buffer = first
    let opened = try receiving.open(in: &buffer)
    var sending = RecordDirection(sender: .initiator, secret: secret)
    var again = [UInt8]()
    try sending.seal(
      type: opened.type, buffer.rawSpan.extracting(opened.body), reserving: .nothing, into: &again)
    return (first, again)
  }

  /// Checks the body of an ACCEPT record.
  public static func acceptBody(_ bytes: [UInt8], initiator: DID, responder: DID) throws(HandshakeError) {
    _ = try AcceptBody(bytes.rawSpan, initiator: initiator, responder: responder)
  }

  /// Reads the body of an OFFER or a REPLY and writes it again.
  public static func ratchet(_ bytes: [UInt8], isOffer: Bool) throws(HandshakeError) -> [UInt8] {
    isOffer ? try OfferBody(bytes.rawSpan).encoded : try ReplyBody(bytes.rawSpan).encoded
  }

  /// Reads the body of a RESUME or a RESUMED and writes it again.
  public static func resumption(_ bytes: [UInt8], isRequest: Bool) throws(HandshakeError) -> [UInt8] {
    isRequest ? try ResumeBody(bytes.rawSpan).encoded : try ResumedBody(bytes.rawSpan).encoded
  }

  /// Reads a RETRY and writes it again.
  public static func retry(_ bytes: [UInt8]) throws(HandshakeError) -> [UInt8] { try Retry(bytes).encoded }

  /// A message 1 with any keys and the right authenticator; `nil` for another length.
  public static func message1(keys: [UInt8], to responder: DID) -> [UInt8]? {
    guard keys.count == XXhfs.message1PayloadOffset else { return nil }
    return Message1(
      e: Array(keys[..<XXhfs.keyByteCount]), e1: Array(keys[XXhfs.keyByteCount...]), to: responder
    ).bytes
  }
}
