import ParleyCrypto
import ParleyIdentity
import ParleyWire

/// What the connection itself was bound to before the handshake began: the negotiation of the subprotocol and the
/// TLS channel.
///
/// Each side states what it saw; if they differ, the handshake fails.
public struct Prologue: Hashable, Sendable {
  /// The subprotocol.
  public static let subprotocol = "parley.v1"
  /// The longest list of offered subprotocols, in bytes.
  public static let offerByteLimit = 4096

  /// The TLS channel that carries the handshake.
  public enum ChannelBinding: Hashable, Sendable {
    /// TLS does not end in this process, which local configuration says of the endpoint, never the peer.
    case none
    /// `tls-exporter` of RFC 9266, 32 bytes.
    case tlsExporter([UInt8])
  }

  private let offered: [UInt8]
  private let channelBinding: ChannelBinding

  /// Bytes of a TLS exporter.
  private static let exporterByteCount = 32

  /// States what this side saw.
  ///
  /// - Parameters:
  ///   - offered: The values of the request's `Sec-WebSocket-Protocol` fields in order, each with any number of
  ///     subprotocols.
  ///   - selected: The value of the response's.
  ///   - channelBinding: The TLS channel.
  /// - Throws: ``HandshakeError/offerTooLong(_:limit:)``, ``HandshakeError/unexpectedSubprotocol`` or
  ///   ``HandshakeError/malformedChannelBinding``.
  public init(offered: [String], selected: String, channelBinding: ChannelBinding) throws(HandshakeError) {
    let list = Self.normalized(offered)
    let text = Array(list.joined(separator: [UInt8(ascii: ",")]))
    guard text.count <= Self.offerByteLimit else { throw .offerTooLong(text.count, limit: Self.offerByteLimit) }
    let subprotocol = Array(Self.subprotocol.utf8)
    guard Array(selected.utf8) == subprotocol, list.contains(subprotocol) else { throw .unexpectedSubprotocol }
    if case .tlsExporter(let value) = channelBinding, value.count != Self.exporterByteCount {
      throw .malformedChannelBinding
    }
    self.offered = text
    self.channelBinding = channelBinding
  }

  /// The bytes that both sides hash first (section 2).
  func bytes(responder: DID) -> [UInt8] {
    var bytes = Array("parley/psc1".utf8) + [0]
    bytes.appendBigEndian(ProtocolVersion.current)
    bytes.appendLengthPrefixed(offered)
    bytes.appendLengthPrefixed(Array(Self.subprotocol.utf8))
    bytes += Array("IR".utf8)
    bytes += SHA256.hash(Array(responder.string.utf8))
    switch channelBinding {
    case .none:
      bytes.append(0)
      bytes.appendLengthPrefixed([])
    case .tlsExporter(let value):
      bytes.append(1)
      bytes.appendLengthPrefixed(value)
    }
    return bytes
  }

  /// The elements of the list, without the spaces and tabs around them (RFC 9110 section 5.6.1).
  private static func normalized(_ values: [String]) -> [[UInt8]] {
    values.flatMap { $0.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) }.map { element in
      let isSpace: (UInt8) -> Bool = { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
      let trimmed = element.drop(while: isSpace)
      guard let last = trimmed.lastIndex(where: { !isSpace($0) }) else { return [] }
      return Array(trimmed[...last])
    }
  }
}

/// The version of the protocol, in message 1 and in the prologue.
enum ProtocolVersion {
  static let current: UInt16 = 1
}
