import Glibc
import ParleyIO
import ParleyWebSocket

/// A WebSocket client that sends the lines of its standard input and prints what comes back.
@main
enum WebSocketClientExample {
  static func main() async {
    do {
      guard let options = try Options(CommandLine.arguments.dropFirst()) else { return print(Options.help) }
      let loop = try EventLoop()
      if let url = options.fuzzingServer {
        let server = FuzzingServer(url: url, agent: options.agent, loop: loop, options: try options.connection())
        try await server.playAll()
      } else if let url = options.url {
        exit(await talk(try await WebSocketClient.connect(to: url, on: loop, options: try options.connection())))
      }
    } catch let error as UsageError {
      complain("websocket-client: \(error.message)\n  \(error.hint)")
      exit(2)
    } catch {
      complain("websocket-client: \(error)")
      exit(1)
    }
  }

  /// Sends lines and prints messages until either side closes; gives the exit code.
  static func talk(_ connection: WebSocketConnection) async -> Int32 {
    Task.detached {
      while let line = readLine() {
        connection.loop.execute { connection.send(text: line) }
      }
      // Time for the answers to the last lines.
      connection.loop.schedule(after: .seconds(1)) { connection.close(.normal) }
    }
    let closure = await withCheckedContinuation { end in
      connection.loop.execute {
        connection.start(
          onMessage: { kind, payload in
            print(kind == .text ? text(payload) : "(\(payload.byteCount) bytes)")
            fflush(nil)
          },
          onClose: { end.resume(returning: $0) })
      }
    }
    switch closure {
    case .closed(.normal, _):
      return 0
    case .closed(let code, let reason):
      complain("websocket-client: closed with \(code.rawValue)\(reason.isEmpty ? "" : ": \(reason)")")
      return 0
    case .failed(let error):
      complain("websocket-client: \(error)")
      return 1
    }
  }

  static func complain(_ text: String) {
    let line = text + "\n"
    _ = write(STDERR_FILENO, line, line.utf8.count)
  }
}

/// The text of a message, whose bytes are gone after the callback that they came in.
func text(_ payload: RawSpan) -> String {
  payload.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
}
