import ParleyWire

/// The body of a REFUSE record: the code as a `u16`.
extension RefusalCode {
  var body: [UInt8] {
    var bytes = [UInt8]()
    bytes.appendBigEndian(rawValue)
    return bytes
  }

  init(body: RawSpan) throws(HandshakeError) {
    var reader = ByteReader(body)
    guard let code = reader.readBigEndian(as: UInt16.self), reader.isAtEnd else { throw .malformedAnswer }
    self.init(rawValue: code)
  }
}
