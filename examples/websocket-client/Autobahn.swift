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
      // A server that breaks the rules ends the connection in many ways, and judges them itself.
      await echo(try await connect("/runCase?case=\(number)&agent=\(agent)"))
      if number % 50 == 0 || number == count { print("\(number) of \(count) cases") }
    }
    await echo(try await connect("/updateReports?agent=\(agent)"))
  }

  private func connect(_ target: String) async throws -> WebSocketConnection {
    guard let url = WebURL(url + target) else {
      throw UsageError("--autobahn takes a URL without a path, not '\(url)'")
    }
    return try await WebSocketClient.connect(to: url, on: loop, options: options)
  }

  /// What the server says in one text message.
  private func caseCount() async throws -> Int {
    let connection = try await connect("/getCaseCount")
    let (answers, arrival) = AsyncStream.makeStream(of: String.self)
    loop.execute {
      connection.start(
        onMessage: { _, payload in arrival.yield(text(payload)) },
        onClose: { _ in arrival.finish() })
    }
    for await answer in answers {
      guard let count = Int(answer), count > 0 else { break }
      return count
    }
    throw UsageError("\(url) does not say how many cases it has: is it a fuzzing server?")
  }

  /// Sends back every message until the connection ends.
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
