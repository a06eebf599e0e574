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
        try await talk(try await WebSocketClient.connect(to: url, on: loop, options: try options.connection()))
      }
    } catch let error as UsageError {
      complain("websocket-client: \(error.message)\n  \(error.hint)")
      exit(2)
    } catch {
      complain("websocket-client: \(error)")
      exit(1)
    }
  }

  /// Sends lines and prints messages until either side closes.
  static func talk(_ connection: WebSocketConnection) async throws {
    Task.detached {
      while let line = readLine() { try await connection.send(.text(line)) }
      // Time for the answers to the last lines.
      try await Task.sleep(for: .seconds(1))
      await connection.close()
    }
    for try await message in connection {
      switch message {
      case .text(let text): print(text)
      case .binary(let bytes): print("(\(bytes.count) bytes)")
      }
      fflush(nil)
    }
    if case .closed(let code, let reason) = connection.closure, code != .normal {
      complain("websocket-client: closed with \(code.rawValue)\(reason.isEmpty ? "" : ": \(reason)")")
    }
  }

  static func complain(_ text: String) {
    let line = text + "\n"
    _ = write(STDERR_FILENO, line, line.utf8.count)
  }
}
