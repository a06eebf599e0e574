internal import ParleyWire

/// A message made ready once, for a server to send on many connections.
public struct PreparedMessage: Sendable {
  /// What kind of message it is.
  public let kind: WebSocketMachine.MessageKind
  /// The payload.
  public let payload: [UInt8]
  /// The whole frame of a server without compression.
  public let frame: [UInt8]

  /// Makes a message ready.
  ///
  /// - Parameters:
  ///   - kind: `.text` only for valid UTF-8.
  ///   - payload: copied.
  public init(_ kind: WebSocketMachine.MessageKind, _ payload: RawSpan) {
    self.kind = kind
    self.payload = [UInt8](payload)
    var frame: [UInt8] = []
    FrameHeader(opcode: kind == .text ? .text : .binary, byteCount: payload.byteCount).encode(into: &frame)
    frame.append(contentsOf: payload)
    self.frame = frame
  }

  /// Makes a text message ready.
  public init(text: String) { self.init(.text, Array(text.utf8).rawSpan) }
}
