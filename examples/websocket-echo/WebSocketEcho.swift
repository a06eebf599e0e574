import Glibc
import ParleyIO
import ParleyWebSocket
import Synchronization

/// A WebSocket server that sends every message back as it came.
@main
enum WebSocketEcho {
  static func main() async {
    do {
      guard let options = try Options(CommandLine.arguments.dropFirst()) else { return print(Options.help) }
      try await serve(options)
    } catch let error as UsageError {
      complain("websocket-echo: \(error.message)\n  \(error.hint)")
      exit(2)
    } catch {
      complain("websocket-echo: \(error)")
      exit(1)
    }
  }

  // What is done with a message. Its payload lies where the loop has received it, and is gone after the call.

  static func echo(_ connection: WebSocketConnection, _ kind: WebSocketConnection.MessageKind, _ payload: RawSpan) {
    connection.send(kind, payload)
  }

  /// The servers, one a loop: a message to everybody goes through all of them.
  static let everybody = Mutex<WebSocketServerGroup?>(nil)

  static func echoOrPublish(
    _ connection: WebSocketConnection, _ kind: WebSocketConnection.MessageKind, _ payload: RawSpan
  ) {
    if payload.withUnsafeBytes({ $0.first == UInt8(ascii: "P") }) {
      everybody.withLock { $0 }?.broadcast(PreparedMessage(kind, payload))
    } else {
      connection.send(kind, payload)
    }
  }

  static func serve(_ options: Options) async throws {
    // Each loop is a thread with a listening socket of its own, and with the connections that the kernel gives it.
    let loops = try (0..<options.loopCount).map { _ in try EventLoop(waitsBusily: options.waitsBusily) }
    let configuration = try options.configuration()

    // One object for all connections.
    let handlers = WebSocketHandlers(
      onMessage: options.broadcasts ? echoOrPublish : echo,
      onClose: { _, closure in if options.logs { say(closure.summary) } })

    let group = try WebSocketServerGroup(loops: loops, configuration: configuration) { request, info in
      .accept(subprotocol: request.subprotocol) { connection in
        if options.logs { say("opened \(info.summary)") }
        connection.start(handlers)
      }
    }
    everybody.withLock { $0 = group }

    let (signals, arrival) = AsyncStream.makeStream(of: ProcessSignal.self)
    try loops[0].watch([.interrupt, .terminate, .hangUp]) { arrival.yield($0) }
    say("listening on \(options.isSecure ? "wss" : "ws")://\(group.localAddress)")
    for await signal in signals {
      guard signal == .hangUp, let tls = configuration.tls else { break }
      reload(tls, logs: options.logs)
    }
    await group.close()
    for loop in loops { loop.shutDown() }
  }

  /// Reads the certificates again, for the connections from now on.
  static func reload(_ tls: TLSServerContext, logs: Bool) {
    do {
      try tls.reload()
      if logs { say("read the certificates again") }
    } catch {
      complain("websocket-echo: the old certificates stay in use: \(error)")
    }
  }

  /// Prints a line now, also into a pipe.
  @Sendable static func say(_ text: String) {
    print(text)
    fflush(nil)
  }

  static func complain(_ text: String) {
    let line = text + "\n"
    _ = write(STDERR_FILENO, line, line.utf8.count)
  }
}

extension ConnectionInfo {
  /// Who is at the other end, and what TLS agreed on.
  var summary: String {
    [peerAddress?.description ?? "-", tls?.version, tls?.group, tls?.applicationProtocol, peerCertificate?.subject]
      .compactMap(\.self).joined(separator: " ")
  }
}

extension WebSocketClosure {
  var summary: String {
    switch self {
    case .closed(let code, let reason): "closed \(code.rawValue) \(reason)"
    case .failed(let error): "failed: \(error)"
    }
  }
}
