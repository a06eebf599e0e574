import Foundation
import ParleyWebSocket
import ParleyWire
import Testing

@testable import ParleyIO

/// Software that nobody here wrote, at the other end.
@Suite("Python at the other end", .enabled(if: Tool.hasPython, Tool.absence))
struct WitnessTests {
  @Test("the client of `websockets` at our server", arguments: ["ws", "wss"])
  func pythonClient(scheme: String) async throws {
    let files = try await TestCertificate.both()
    let tls = scheme == "ws" ? nil : try TLSServerContext(certificateFile: files.certificate, privateKeyFile: files.key)
    try await withLoop { loop in
      let server = try EchoServer(loop, tls: tls, greeting: [Array("first".utf8)], subprotocol: "parley.v1")
      let arguments = ["\(scheme)://localhost:\(server.port)/"] + (scheme == "ws" ? [] : [files.authority])
      let script = try Script("client.py", arguments)
      let (text, status) = await script.finish()
      #expect(text == "OK\n")
      #expect(status == 0)
      #expect(await eventually { server.closures == [.closed(CloseCode(rawValue: 4000), reason: "done")] })
    }
  }

  @Test("our client at the server of `websockets`", arguments: ["ws", "wss"])
  func pythonServer(scheme: String) async throws {
    let files = try await TestCertificate.both()
    let script = try Script("server.py", scheme == "ws" ? [] : [files.certificate, files.key])
    let port = try await script.line()
    try await withLoop { loop in
      var options = WebSocketClient.Options(
        subprotocols: ["parley.v1"], tls: try TLSClientContext(authorityFile: files.authority))
      options.limits = testLimits
      let url = WebURL("\(scheme)://localhost:\(port)/")!
      let connection = try await WebSocketClient.connect(to: url, on: loop, options: options)
      #expect(connection.subprotocol == "parley.v1")
      let record = Record()
      await loop.run { record.start(connection) }
      #expect(await record.waitForMessages(1))
      var expected: [[UInt8]] = [Array("first".utf8)]
      let payloads = [0, 1, 125, 126, 127, 4096, 16_404].map { [UInt8](repeating: 5, count: $0) }
      await loop.run {
        for payload in payloads { connection.send(binary: payload) }
        for command in ["ping", "text", "fragments"] { connection.send(binary: Array(command.utf8)) }
        connection.send(text: "Ω")
      }
      expected += payloads + ["ponged", "Grüße", "abc", "Ω"].map { Array($0.utf8) }
      #expect(await record.waitForMessages(expected.count))
      #expect(record.messages == expected)
      await loop.run { connection.send(binary: Array("close".utf8)) }
      #expect(await record.waitForClosure() == .closed(CloseCode(rawValue: 4001), reason: "as asked"))
    }
  }

  @Test(
    "another OpenSSL agrees on TLS 1.3, the group and the exporter",
    arguments: [
      (nil, "X25519MLKEM768"), ("X25519:X25519MLKEM768", "X25519MLKEM768"), ("X25519", "x25519"),
    ] as [(String?, String)])
  func openSSL(groups: String?, agreed: String) async throws {
    let files = try await TestCertificate.both()
    let tls = try TLSServerContext(certificateFile: files.certificate, privateKeyFile: files.key)
    try await withLoop { loop in
      let server = try EchoServer(loop, tls: tls, greeting: [[1, 2, 3]])
      let script = try Script("tls_client.py", [String(server.port), files.authority] + (groups.map { [$0] } ?? []))
      let (text, status) = await script.finish()
      try #require(status == 0, "\(text)")
      let lines = text.split(separator: "\n").map(String.init)
      #expect(lines[0] == "TLSv1.3")
      #expect(lines[1] == agreed)
      #expect(server.state.withLock { $0.infos.first?.tlsExporter?.hex } == lines[2])
      #expect(server.state.withLock { $0.infos.first?.tls?.group } == agreed)
      // One TLS record, so one read: the 101 and the first message.
      let flight = try #require([UInt8](hex: lines[3]))
      #expect(flight.starts(with: Array("HTTP/1.1 101 ".utf8)))
      #expect(flight.suffix(9) == Array("\r\n\r\n".utf8) + [0x82, 3, 1, 2, 3])
    }
  }
}

@Suite("HTTPS fetcher", .enabled(if: Tool.hasPython, Tool.absence))
struct HTTPSFetcherTests {
  static let document = Array(#"{"id":"did:web:localhost"}"#.utf8)

  func withServer(_ body: (HTTPSFetcher, String, EventLoop, TestCertificate) async throws -> Void) async throws {
    let files = try await TestCertificate.nameOnly()
    let script = try Script("https_server.py", [files.certificate, files.key])
    let port = try await script.line()
    try await withLoop { loop in
      var options = HTTPSFetcher.Options()
      options.allowsPrivateAddresses = true
      options.authorityFile = files.authority
      let fetcher = try HTTPSFetcher(loop: loop, options: options)
      try await body(fetcher, "https://localhost:\(port)", loop, files)
    }
  }

  @Test("a document, with a length, in chunks, or up to the end")
  func good() async throws {
    try await withServer { fetcher, base, _, _ in
      for path in ["/good", "/chunked", "/until-end"] {
        let document = try await fetcher.get(WebURL(base + path)!)
        #expect(document == Self.document, "\(path)")
      }
      let largest = try await fetcher.get(WebURL(base + "/limit")!)
      #expect(largest.count == 65_536)
    }
  }

  @Test("what is not a document is refused")
  func bad() async throws {
    try await withServer { fetcher, base, _, _ in
      let cases: [(String, IOError)] = [
        ("/redirect", .status(302)), ("/missing", .status(404)),
        ("/past", .http(.bodyTooLarge(limit: 65_536))), ("/endless", .http(.bodyTooLarge(limit: 65_536))),
        ("/endless-chunks", .http(.bodyTooLarge(limit: 65_536))), ("/cut", .connectionLost),
        ("/until-end-cut", .connectionLost),
      ]
      for (path, error) in cases {
        await #expect(throws: error, "\(path)") { try await fetcher.get(WebURL(base + path)!) }
      }
      await #expect(throws: IOError.invalidAddress("ws://localhost/")) {
        try await fetcher.get(WebURL("ws://localhost/")!)
      }
    }
  }

  @Test("the whole of it has one deadline")
  func slow() async throws {
    try await withServer { _, base, loop, files in
      var options = HTTPSFetcher.Options()
      options.allowsPrivateAddresses = true
      options.authorityFile = files.authority
      options.timeout = .milliseconds(300)
      let fetcher = try HTTPSFetcher(loop: loop, options: options)
      let start = ContinuousClock.now
      await #expect(throws: IOError.timeout(.fetch)) { try await fetcher.get(WebURL(base + "/slow")!) }
      #expect(ContinuousClock.now - start < .seconds(10))
    }
  }

  @Test("private addresses are not dialled, by number or by name; strangers' certificates are not believed")
  func guarded() async throws {
    try await withServer { _, base, loop, files in
      var options = HTTPSFetcher.Options()
      options.authorityFile = files.authority
      let fetcher = try HTTPSFetcher(loop: loop, options: options)
      for host in ["localhost", "127.0.0.1", "169.254.169.254", "[::1]", "10.0.0.1"] {
        let url = WebURL("https://\(host)/")!
        await #expect(throws: IOError.addressNotPublic(host: url.host)) { try await fetcher.get(url) }
      }
      options.allowsPrivateAddresses = true
      options.authorityFile = nil
      let stranger = try HTTPSFetcher(loop: loop, options: options)
      await #expect { try await stranger.get(WebURL(base)!) } throws: { error in
        if case .certificate = error as? IOError { true } else { false }
      }
    }
  }
}
