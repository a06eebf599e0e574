public import ParleyWebSocket

/// What a program does with the events of its WebSocket connections: the synchronous form, for hot paths.
///
/// One object serves any number of connections, so that an idle one costs no closure of its own. Everything is called
/// on the connection's loop.
public final class WebSocketHandlers: Sendable {
  /// Called for each message.
  ///
  /// The bytes are gone after the call; copy what must stay.
  public typealias MessageHandler = @Sendable (WebSocketConnection, WebSocketMachine.MessageKind, RawSpan) -> Void
  /// Called once, last.
  public typealias CloseHandler = @Sendable (WebSocketConnection, WebSocketClosure) -> Void
  /// Called when the bytes that wait to be sent have fallen to ``WebSocketLimits/resumeByteCount`` after they were more, and
  /// when none wait any more.
  public typealias DrainHandler = @Sendable (WebSocketConnection) -> Void

  let onMessage: MessageHandler
  let onClose: CloseHandler
  let onDrain: DrainHandler?

  /// Creates handlers.
  public init(
    onMessage: @escaping MessageHandler, onClose: @escaping CloseHandler = { _, _ in }, onDrain: DrainHandler? = nil
  ) {
    self.onMessage = onMessage
    self.onClose = onClose
    self.onDrain = onDrain
  }
}
