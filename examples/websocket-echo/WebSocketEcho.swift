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
    let server = try WebSocketServer(loop: loop, configuration: try options.configuration()) { request, _ in
      .accept(subprotocol: request.subprotocol) { connection in
        connection.start(
          onMessage: { kind, payload in connection.send(kind, payload) },
          onClose: { _ in })
      }
    }
    print("listening on \(options.isSecure ? "wss" : "ws")://\(server.localAddress)")
    fflush(nil)

    let (signals, arrival) = AsyncStream.makeStream(of: ProcessSignal.self)
    try loop.watch([.interrupt, .terminate]) { arrival.yield($0) }
    for await _ in signals { break }
    await server.close()
    loop.shutDown()
  }

  static func complain(_ text: String) {
    let line = text + "\n"
    _ = write(STDERR_FILENO, line, line.utf8.count)
  }
}
