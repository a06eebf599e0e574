/// The two directions of permessage-deflate on one connection.
final class MessageCompression {
  private let minimumByteCount: Int
  private var inflater: MessageInflater
  private var deflater: MessageDeflater

  init(_ endpoint: WebSocketEndpoint, _ agreement: PermessageDeflate.Agreement, _ pool: DeflatePool) {
    let server = (bits: agreement.serverMaximumWindowBits, keeps: !agreement.serverNoContextTakeover)
    let client = (bits: agreement.clientMaximumWindowBits, keeps: !agreement.clientNoContextTakeover)
    let (own, peer) = endpoint.role == .server ? (server, client) : (client, server)
    minimumByteCount = endpoint.deflate.minimumByteCount
    inflater = MessageInflater(windowBits: peer.bits, keepsContext: peer.keeps, pool: pool)
    deflater = MessageDeflater(windowBits: own.bits, keepsContext: own.keeps, options: endpoint.deflate, pool: pool)
  }

  /// Whether a message of this size is compressed.
  func isWorthwhile(_ byteCount: Int) -> Bool { byteCount >= minimumByteCount }

  func deflate(_ message: RawSpan) -> [UInt8] {
    var output: [UInt8] = []
    deflater.deflate(message, into: &output)
    return output
  }

  func inflate(
    _ piece: RawSpan, isFinal: Bool, limits: WebSocketLimits, into output: inout [UInt8]
  ) throws(WebSocketError) {
    try inflater.inflate(
      piece, isFinal: isFinal, maximumByteCount: limits.maximumInflatedByteCount,
      maximumRatio: limits.maximumInflationRatio, into: &output)
  }
}
