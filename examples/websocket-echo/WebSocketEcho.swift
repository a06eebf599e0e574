import Glibc
import ParleyIO
import ParleyWebSocket

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

  static func serve(_ options: Options) async throws {
    let loop = try EventLoop()
    let configuration = try options.configuration()
    let server = try WebSocketServer(loop: loop, configuration: configuration) { request, _ in
      .accept(subprotocol: request.subprotocol) { connection in
        if options.logs { say("opened \(connection.info.summary)") }
        connection.start(
          onMessage: { kind, payload in connection.send(kind, payload) },
          onClose: { closure in if options.logs { say(closure.summary) } })
      }
    }
    say("listening on \(options.isSecure ? "wss" : "ws")://\(server.localAddress)")

    let (signals, arrival) = AsyncStream.makeStream(of: ProcessSignal.self)
    try loop.watch([.interrupt, .terminate, .hangUp]) { arrival.yield($0) }
    for await signal in signals {
      guard signal == .hangUp, let tls = configuration.tls else { break }
      reload(tls, logs: options.logs)
    }
    await server.close()
    loop.shutDown()
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
