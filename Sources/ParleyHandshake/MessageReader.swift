import ParleyWire

/// The pieces of a handshake message whose length was checked before.
struct MessageReader {
  private let message: HandshakeMessage
  private let bytes: [UInt8]
  private var position = 0

  init(_ message: HandshakeMessage, _ bytes: [UInt8]) {
    self.message = message
    self.bytes = bytes
  }

  /// The next `count` bytes.
  mutating func take(_ count: Int) throws(HandshakeError) -> [UInt8] {
    guard count <= bytes.count - position else { throw .wrongMessageLength(message, bytes.count) }
    defer { position += count }
    return Array(bytes[position..<position + count])
  }

  /// All that is left.
  mutating func takeRest() throws(HandshakeError) -> [UInt8] { try take(bytes.count - position) }
}
