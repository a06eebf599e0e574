import Glibc
import ParleyWebSocket
import Testing

@testable import ParleyIO

/// WebSocket over TLS, where records, frames and the socket's buffers do not end together.
@Suite("WebSocket over TLS", .enabled(if: Tool.hasPython, Tool.absence))
struct TLSStreamTests {
  /// Bytes that repeat nowhere near a record's length.
  static func pattern(_ count: Int, _ seed: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 &+ seed) &* 167 &+ ($0 &>> 7) &* 13) }
  }

  @Test(
    "messages around the size of records, and far beyond, come back whole and in order",
    arguments: [
      [0, 1, 16_374, 16_375, 16_384, 16_385, 32_767, 32_768, 32_769, 65_535, 65_536, 131_072, 1_000_000],
      [1_000_000, 1_000_001, 900_000, 800_000, 5, 1_000_000], Array(repeating: 40_000, count: 60),
      Array(repeating: 3, count: 5000),
    ])
  func sizes(sizes: [Int]) async throws {
    let files = try await TLSFiles()
    let tls = try TLSServerContext(files.serverConfiguration("both"))
    var limits = testLimits
    limits.maximumMessageByteCount = 1 << 20
    limits.maximumBufferedByteCount = 64 << 20
    limits.stallTimeout = .seconds(20)
    try await withLoop { loop in
      let server = try EchoServer(loop, tls: tls, limits: limits)
      var options = WebSocketClient.Options(tls: try TLSClientContext(authorityFile: files.authority("both")))
      options.limits = limits
      let connection = try await WebSocketClient.connect(to: server.url("wss"), on: loop, options: options)
      let record = Record()
      let messages = sizes.enumerated().map { Self.pattern($1, $0) }
      await loop.run {
        record.start(connection)
        for message in messages { connection.send(binary: message) }
      }
      #expect(await eventually(within: .seconds(20)) { record.messages.count == messages.count })
      #expect(record.messages == messages)
      await loop.run { connection.close() }
      #expect(await record.waitForClosure() == .closed(.normal, reason: ""))
    }
  }

  /// What a thread has used of the processor.
  static func threadTime() -> Duration {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }

  @Test("half of a KeyUpdate holds back what is sent until its rest comes, and the loop sleeps meanwhile")
  func splitKeyUpdate() async throws {
    let files = try await TLSFiles()
    let tls = try TLSServerContext(files.serverConfiguration("both"))
    try await withLoop { loop in
      let server = try EchoServer(loop, tls: tls)
      let script = try Script("tls_split_key_update.py", [String(server.port), files.authority("both")])
      #expect(try await script.line() == "half")
      let connection = server.connections[0]
      #expect(
        await eventually {
          await loop.run { connection.stream.waitsForRoom || !connection.send(binary: [1, 2, 3]) }
        })
      let sent = await loop.run { connection.bufferedByteCount / 5 }
      let before = await loop.run { Self.threadTime() }
      try await Task.sleep(for: .milliseconds(500))
      #expect(await loop.run { Self.threadTime() } - before < .milliseconds(200))
      #expect(await loop.run { connection.bufferedByteCount } == sent * 5)
      try script.goOn()
      #expect(try await script.line() == "010203")
      #expect(await eventually { await loop.run { connection.bufferedByteCount } == 0 })
    }
  }
}
