import ParleyIO
import ParleyWebSocket

/// A fuzzing server of the Autobahn suite: it plays one case a connection against a client that sends back what it gets.
struct FuzzingServer {
  let url: String
  let agent: String
  let loop: EventLoop
  let options: WebSocketClient.Options

  /// Plays every case, and has the server write its reports.
  func playAll() async throws {
    let count = try await caseCount()
    for number in 1...count {
      await echo(try await connect("/runCase?case=\(number)&agent=\(agent)"))
      if number % 50 == 0 || number == count { print("\(number) of \(count) cases") }
    }
    await echo(try await connect("/updateReports?agent=\(agent)"))
  }

  private func connect(_ target: String) async throws -> WebSocketConnection {
    guard let url = WebURL(url + target), url.scheme != .https else {
      throw UsageError("--autobahn takes a URL without a path, not '\(url)'", hint: "such as ws://127.0.0.1:9001")
    }
    return try await WebSocketClient.connect(to: url, on: loop, options: options)
  }

  /// What the server says in its only message.
  private func caseCount() async throws -> Int {
    for try await case .text(let text) in try await connect("/getCaseCount") {
      if let count = Int(text), count > 0 { return count }
    }
    throw UsageError("\(url) does not say how many cases it has", hint: "is it a fuzzing server?")
  }

  /// Sends back every message until the connection ends: in one of many ways, which the server judges.
  ///
  /// It judges too whether what came before a fault was answered, so this is the synchronous form: the answer is on its
  /// way before the next frame is looked at.
  private func echo(_ connection: WebSocketConnection) async {
    await withCheckedContinuation { end in
      loop.execute {
        connection.start(
          onMessage: { kind, payload in connection.send(kind, payload) },
          onClose: { _ in end.resume() })
      }
    }
  }
}
