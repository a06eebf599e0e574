internal import ParleyWebSocket

extension WebSocketLimits {
  /// The limits of the port that other nodes call, and of calls to it: one binary message is one record of the channel, and
  /// nothing else is needed there.
  static var peerPort: WebSocketLimits {
    var limits = WebSocketLimits()
    limits.maximumHeadByteCount = 4096
    limits.maximumFieldCount = 32
    limits.maximumMessageByteCount = 16_404
    limits.maximumFragmentCount = 4
    limits.minimumFragmentByteCount = 1
    limits.acceptsText = false
    limits.pingInterval = .seconds(10)
    limits.pongTimeout = .seconds(15)
    return limits
  }
}
