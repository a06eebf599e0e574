internal import ParleyHandshake
internal import ParleyPeer

/// How a peer broke a rule of the channel; the keys are erased, and the node ends the connection.
enum ChannelFault: Error, Hashable {
  /// In the handshake, or in a record.
  case handshake(HandshakeError)
  /// In the streams that the records carry.
  case streams(ChannelStreamsError)

  /// Does something that the handshake or the record layer may refuse.
  static func ofHandshake<Value>(
    _ body: () throws(HandshakeError) -> Value
  ) throws(ChannelFault) -> Value {
    do throws(HandshakeError) {
      return try body()
    } catch {
      throw .handshake(error)
    }
  }
}

extension ChannelFault: CustomStringConvertible {
  /// The fault by its own name, for the log.
  var description: String {
    switch self {
    case .handshake(let error): "\(error)"
    case .streams(let error): "\(error)"
    }
  }
}
