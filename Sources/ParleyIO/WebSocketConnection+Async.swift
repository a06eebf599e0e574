public import ParleyWebSocket
internal import ParleyWire

/// One message, owned.
public enum WebSocketMessage: Hashable, Sendable {
  /// UTF-8 text.
  case text(String)
  /// Any bytes.
  case binary([UInt8])

  init(_ kind: WebSocketMachine.MessageKind, _ payload: RawSpan) {
    let bytes = [UInt8](payload)
    self = kind == .text ? .text(String(decoding: bytes, as: UTF8.self)) : .binary(bytes)
  }

  fileprivate var byteCount: Int {
    switch self {
    case .text(let text): text.utf8.count
    case .binary(let bytes): bytes.count
    }
  }
}

/// The messages of a connection, from any task:
///
///     for try await message in connection {
///       try await connection.send(message)
///     }
///
/// The loop ends when the closing handshake has taken place, and throws when the connection ended in another way.
/// A consumer that falls behind stops the connection from reading, so that the peer feels it.
extension WebSocketConnection: AsyncSequence {
  /// Receives messages in order.
  public struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate let inbox: MessageInbox

    /// The next message, or `nil` when the connection has been closed in order, or the task cancelled.
    ///
    /// - Throws: how the connection failed.
    public mutating func next(
      isolation: isolated (any Actor)? = #isolation
    ) async throws(IOError) -> WebSocketMessage? {
      try await inbox.next()
    }
  }

  /// Starts the connection, which must not have been started.
  public func makeAsyncIterator() -> AsyncIterator {
    let inbox = MessageInbox(self)
    if loop.isCurrent { inbox.start() } else { loop.execute { inbox.start() } }
    return AsyncIterator(inbox: inbox)
  }

  /// Sends a message, and waits while the peer is behind.
  ///
  /// - Throws: `connectionLost`, or how the connection failed, when it is closing or closed.
  public func send(_ message: WebSocketMessage) async throws(IOError) {
    let isSent = await withCheckedContinuation { continuation in
      onLoop { continuation.resume(returning: self.sendNow(message)) }
    }
    guard isSent else { throw failure }
    await withCheckedContinuation { continuation in
      onLoop {
        guard self.bufferedByteCount > self.resumeByteCount else { return continuation.resume() }
        self.more.waitingSenders.append(continuation)
      }
    }
  }

  /// Closes, and waits for the end of the connection or of the wait for it.
  public func close(_ code: CloseCode = .normal, reason: String = "") async {
    await withCheckedContinuation { continuation in
      onLoop {
        guard self.closure == nil else { return continuation.resume() }
        self.more.waitingClosers.append(continuation)
        self.close(code, reason: reason) as Void
      }
    }
  }

  private func onLoop(_ body: @escaping @Sendable () -> Void) {
    if loop.isCurrent { body() } else { loop.execute(body) }
  }

  private func sendNow(_ message: WebSocketMessage) -> Bool {
    switch message {
    case .text(let text): send(text: text)
    case .binary(let bytes): send(binary: bytes)
    }
  }

  private var failure: IOError {
    if case .failed(let error) = closure { error } else { .connectionLost }
  }
}

/// Messages between the loop that receives them and the task that wants them.
private final class MessageInbox: Sendable {
  private struct State {
    var messages: [WebSocketMessage] = []
    /// The next message to take; those before are taken.
    var first = 0
    var byteCount = 0
    var isPaused = false
    var closure: WebSocketClosure?
    var isCancelled = false
    var waiting: CheckedContinuation<Result<WebSocketMessage?, IOError>, Never>?
  }

  private static let maximumCount = 256
  private static let maximumByteCount = 1 << 18

  private let connection: WebSocketConnection
  private let state = Locked(State())

  init(_ connection: WebSocketConnection) { self.connection = connection }

  func start() {
    connection.start(
      WebSocketHandlers(
        onMessage: { [self] connection, kind, payload in receive(WebSocketMessage(kind, payload), on: connection) },
        onClose: { [self] _, closure in end(closure) }))
  }

  private func receive(_ message: WebSocketMessage, on connection: WebSocketConnection) {
    let (waiting, mustPause) = state.withLock { state in
      if let waiting = state.waiting.take() { return (Optional(waiting), false) }
      state.messages.append(message)
      state.byteCount += message.byteCount
      let isFull = state.byteCount >= Self.maximumByteCount || state.messages.count - state.first >= Self.maximumCount
      defer { state.isPaused = state.isPaused || isFull }
      return (nil, isFull && !state.isPaused)
    }
    if mustPause { connection.isReading = false }
    waiting?.resume(returning: .success(message))
  }

  private func end(_ closure: WebSocketClosure) {
    let waiting = state.withLock { state in
      state.closure = closure
      return state.waiting.take()
    }
    waiting?.resume(returning: Self.result(of: closure))
  }

  private static func result(of closure: WebSocketClosure) -> Result<WebSocketMessage?, IOError> {
    switch closure {
    case .closed: .success(nil)
    case .failed(let error): .failure(error)
    }
  }

  func next() async throws(IOError) -> WebSocketMessage? {
    if let message = take() { return message }
    return try await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in wait(continuation) }
    } onCancel: {
      let waiting = state.withLock { state in
        state.isCancelled = true
        return state.waiting.take()
      }
      waiting?.resume(returning: .success(nil))
    }.get()
  }

  private func wait(_ continuation: CheckedContinuation<Result<WebSocketMessage?, IOError>, Never>) {
    // What came between the first look and this one is taken like the rest.
    if let message = take() { return continuation.resume(returning: .success(message)) }
    let result: Result<WebSocketMessage?, IOError>? = state.withLock { state in
      if state.isCancelled { return .success(nil) }
      guard state.first == state.messages.count else {
        return .success(Self.take(&state))
      }
      if let closure = state.closure { return Self.result(of: closure) }
      state.waiting = continuation
      return nil
    }
    if let result { continuation.resume(returning: result) }
  }

  private func take() -> WebSocketMessage? {
    let (message, mustResume) = state.withLock { state in
      let message = Self.take(&state)
      let isEmpty = state.first == state.messages.count
      defer { if isEmpty { state.isPaused = false } }
      return (message, state.isPaused && isEmpty)
    }
    if mustResume { connection.loop.execute { [connection] in connection.isReading = true } }
    return message
  }

  private static func take(_ state: inout State) -> WebSocketMessage? {
    guard state.first < state.messages.count else { return nil }
    let message = state.messages[state.first]
    state.byteCount -= message.byteCount
    state.first += 1
    if state.first == state.messages.count {
      state.messages.removeAll(keepingCapacity: false)
      state.first = 0
    }
    return message
  }
}
