import Glibc
import ParleyIO
import ParleyWebSocket

/// A WebSocket server that sends every message back as it came.
@main
@MainActor
enum WebSocketEcho {
  static func main() async {
    // First of all, on the main thread: the others inherit what it holds back, and the watcher below gets it.
    Signals.holdTerminationSignals()
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
    let server = try WebSocketServer(loop: loop, configuration: try options.configuration()) { request, _ in
      .accept(subprotocol: request.subprotocol) { connection in
        connection.start(
          onMessage: { kind, payload in connection.send(kind, payload) },
          onClose: { _ in })
      }
    }
    print("listening on \(options.isSecure ? "wss" : "ws")://\(server.localAddress)")
    fflush(nil)

    let (signals, arrival) = AsyncStream.makeStream(of: TerminationSignal.self)
    let watcher = try SignalWatcher(loop: loop) { arrival.yield($0) }
    for await _ in signals { break }
    await server.close()
    withExtendedLifetime(watcher) { loop.shutDown() }
  }

  static func complain(_ text: String) {
    let line = text + "\n"
    _ = write(STDERR_FILENO, line, line.utf8.count)
  }
}
