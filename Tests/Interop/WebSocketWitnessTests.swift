import Foundation
import Parley
import TestSupport
import Testing

/// Other people's WebSocket libraries against the example programs: Python's `websockets`, and websocat, in Rust.
@Suite("WebSocket witnesses", .serialized)
struct WebSocketWitnessTests {
  static let witness = Programs.pythonPeer + "/websocket_witness.py"

  /// Runs Python's client, and gives what it says of each connection.
  static func pythonClient(_ words: [String], in folder: URL) async throws -> [JSONValue] {
    let run = try await Child.run(Programs.python, [witness, "client"] + words, in: folder, name: "python-client")
    #expect(run.code == 0, "\(run.text)\(run.log)")
    return run.text.split(separator: "\n").compactMap { try? JSONValue.parse(Array($0.utf8)) }
  }

  /// What every connection of Python's client must come to.
  static func expectEchoes(_ connection: JSONValue?) {
    #expect(connection?["echoed"]?.int64Value == 29, "\(connection?.serialized() ?? "nothing")")
    #expect(connection?["wrong"]?.arrayValue?.isEmpty == true)
    #expect(connection?["pongs"]?.int64Value == 3)
    #expect(connection?["code"]?.int64Value == 3_456)
  }

  @Test("Python's client: every size and kind, fragments that end with an empty frame, pings, a close code")
  func pythonClient() async throws {
    try await InteropTests.withFolder { folder in
      let echo = try await EchoServer(["--log"], in: folder)
      let connections = try await Self.pythonClient([echo.url], in: folder)
      #expect(connections.count == 1)
      Self.expectEchoes(connections.first)
      #expect(connections.first?["agreed"] == .null)
      #expect(try await echo.child.line(beginning: "closed ") == "3456 that is all")
      #expect(await echo.stop() == 0)
    }
  }

  @Test("Python's client over TLS")
  func securePythonClient() async throws {
    try await InteropTests.withFolder { folder in
      let certificates = try await Certificates(in: folder)
      let echo = try await EchoServer(certificates.words, in: folder)
      let connections = try await Self.pythonClient([echo.url, "--ca", certificates.authority], in: folder)
      #expect(connections.count == 1)
      Self.expectEchoes(connections.first)
      #expect(await echo.stop() == 0)
    }
  }

  /// Runs our client with lines as its input, against Python's server.
  static func ourClient(_ words: [String], lines: [String], in folder: URL) async throws -> (
    code: Int32, lines: [String], log: String
  ) {
    let input = folder.appending(path: "lines-\(UUID().uuidString.prefix(8))")
    try Data(lines.map { $0 + "\n" }.joined().utf8).write(to: input)
    let file = try FileHandle(forReadingFrom: input)
    let run = try await Child.run(Programs.client, words, in: folder, standardInput: file.fileDescriptor)
    return (run.code, run.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init), run.log)
  }

  /// Starts Python's server; gives the process and its URL.
  static func pythonServer(_ words: [String] = [], in folder: URL) async throws -> (child: Child, url: String) {
    let child = try Child(Programs.python, [witness, "server"] + words, in: folder, name: "python-server")
    let port = try await child.line { $0["event"] == "listening" }["port"]?.int64Value ?? 0
    return (child, "\(words.contains("--cert") ? "wss" : "ws")://127.0.0.1:\(port)")
  }

  @Test("our client at Python's server: echoes, fragments, header, subprotocol")
  func pythonServer() async throws {
    try await InteropTests.withFolder { folder in
      let server = try await Self.pythonServer(in: folder)
      let lines = ["hello", "", "grüße \u{1F600}", String(repeating: "to be or not ", count: 3_000)]
      let extra = ["--subprotocol", "first", "--subprotocol", "third", "--header", "X-Witness: me"]
      for path in ["/", "/fragments"] {
        let run = try await Self.ourClient([server.url + path] + extra, lines: lines, in: folder)
        #expect(run.code == 0, "\(run.log)")
        #expect(run.lines == lines + [""])
        let connection = try await server.child.line { $0["path"]?.stringValue == path }
        #expect(connection["messages"]?.int64Value == Int64(lines.count))
        #expect(connection["code"] == 1000)
        #expect(connection["subprotocol"] == "third")
        #expect(connection["header"] == "me")
      }
      await server.child.stop()
    }
  }

  @Test("our client at Python's server says how the server closed", arguments: [1000, 1001, 1011, 3000, 4999])
  func closeCodes(code: Int) async throws {
    try await InteropTests.withFolder { folder in
      let server = try await Self.pythonServer(in: folder)
      let run = try await Self.ourClient(["\(server.url)/close/\(code)"], lines: [], in: folder)
      #expect(run.code == 0)
      #expect(run.log == (code == 1000 ? "" : "websocket-client: closed with \(code): the server says so\n"))
      let connection = try await server.child.line { $0["event"] == "connection" }
      #expect(connection["code"]?.int64Value == Int64(code))
      await server.child.stop()
    }
  }

  @Test("our client at Python's server over TLS, and not where it does not trust the certificate")
  func securePythonServer() async throws {
    try await InteropTests.withFolder { folder in
      let certificates = try await Certificates(in: folder)
      let server = try await Self.pythonServer(
        ["--cert", certificates.certificate, "--key", certificates.key], in: folder)
      let run = try await Self.ourClient(
        [server.url + "/", "--ca", certificates.authority], lines: ["sealed"], in: folder)
      #expect(run.code == 0 && run.lines == ["sealed", ""], "\(run.log)")
      let stranger = try await Self.ourClient([server.url + "/"], lines: ["open?"], in: folder)
      #expect(stranger.code == 1 && stranger.log.contains("certificate"), "\(stranger.log)")
      await server.child.stop()
    }
  }

  // MARK: Compression

  /// What Python's client offers a server with these words, and what must then be agreed.
  struct Offer: Sendable {
    let offer: String
    let agreed: String?
  }

  static let neither = "server_no_context_takeover; client_no_context_takeover"
  static let both = """
    {"server_no_context_takeover": true, "client_no_context_takeover": true, "server_max_window_bits": 10, \
    "client_max_window_bits": 11}
    """

  static let offers: [(words: [String], offers: [Offer])] = [
    ([], [Offer(offer: "{}", agreed: nil)]),
    (
      ["--deflate"],
      [
        Offer(offer: "null", agreed: nil), Offer(offer: "{}", agreed: neither),
        Offer(offer: both, agreed: "\(neither); server_max_window_bits=10; client_max_window_bits=11"),
      ]
    ),
    (
      ["--deflate", "--deflate-context"],
      [
        Offer(offer: "{}", agreed: ""),
        Offer(offer: #"{"server_no_context_takeover": true}"#, agreed: "server_no_context_takeover"),
        Offer(offer: #"{"client_no_context_takeover": true}"#, agreed: "client_no_context_takeover"),
        Offer(offer: #"{"server_max_window_bits": 8}"#, agreed: "server_max_window_bits=8"),
        Offer(offer: #"{"client_max_window_bits": 9}"#, agreed: "client_max_window_bits=9"),
        Offer(offer: both, agreed: "\(neither); server_max_window_bits=10; client_max_window_bits=11"),
      ]
    ),
    (
      ["--deflate", "--deflate-context", "--deflate-window", "9"],
      [
        Offer(offer: "{}", agreed: "server_max_window_bits=9; client_max_window_bits=9"),
        // The client does not offer to limit its window, so it is told to keep nothing instead.
        Offer(
          offer: #"{"client_max_window_bits": null}"#, agreed: "client_no_context_takeover; server_max_window_bits=9"),
      ]
    ),
  ]

  @Test("Python's client compresses as agreed")
  func compression() async throws {
    try await withThrowingTaskGroup { group in
      for (words, offers) in Self.offers { group.addTask { try await Self.play(offers, words) } }
      try await group.waitForAll()
    }
  }

  static func play(_ offers: [Offer], _ words: [String]) async throws {
    try await InteropTests.withFolder { folder in
      let echo = try await EchoServer(words, in: folder)
      let connections = try await Self.pythonClient(
        [echo.url] + offers.flatMap { ["--offer", $0.offer] }, in: folder)
      #expect(connections.count == offers.count)
      for (connection, offer) in zip(connections, offers) {
        Self.expectEchoes(connection)
        let agreed = offer.agreed.map { $0.isEmpty ? "permessage-deflate" : "permessage-deflate; \($0)" }
        #expect(connection["agreed"]?.stringValue == agreed, "\(words) \(offer.offer)")
        let (sent, received) = (connection["compressed"]?["sent"], connection["compressed"]?["received"])
        #expect(sent?.int64Value == (agreed == nil ? 0 : 29) && received == sent)
      }
      #expect(await echo.stop() == 0)
    }
  }

  /// What our client offers, what Python's server wants, and what must then be agreed.
  struct Agreement: Sendable {
    let words: [String]
    let wanted: String
    let agreed: String?
  }

  static let agreements = [
    Agreement(words: [], wanted: "{}", agreed: nil),
    Agreement(words: ["--deflate"], wanted: "null", agreed: nil),
    Agreement(words: ["--deflate"], wanted: "{}", agreed: neither),
    Agreement(words: ["--deflate", "--deflate-context"], wanted: "{}", agreed: ""),
    Agreement(
      words: ["--deflate", "--deflate-context"], wanted: both,
      agreed: "\(neither); server_max_window_bits=10; client_max_window_bits=11"),
    Agreement(
      words: ["--deflate", "--deflate-context"], wanted: #"{"server_max_window_bits": 9, "client_max_window_bits": 8}"#,
      agreed: "server_max_window_bits=9; client_max_window_bits=8"),
    Agreement(
      words: ["--deflate", "--deflate-context", "--deflate-window", "10"], wanted: "{}",
      agreed: "server_max_window_bits=10; client_max_window_bits=10"),
  ]

  @Test("our client compresses as Python's server agrees")
  func clientCompression() async throws {
    // All at a time: the client takes its time to end.
    try await withThrowingTaskGroup { group in
      for agreement in Self.agreements { group.addTask { try await Self.play(agreement) } }
      try await group.waitForAll()
    }
  }

  static func play(_ agreement: Agreement) async throws {
    try await InteropTests.withFolder { folder in
      let server = try await Self.pythonServer(["--agree", agreement.wanted], in: folder)
      let prose = String(repeating: "to be or not to be, that is the question \u{1F600} ", count: 1_500)
      let lines = ["short", prose, prose, String((0..<3_000).map { "\($0 * $0)" }.joined())]
      let run = try await Self.ourClient([server.url + "/"] + agreement.words, lines: lines, in: folder)
      #expect(run.code == 0 && run.lines == lines + [""], "\(run.log)")
      let connection = try await server.child.line { $0["event"] == "connection" }
      let agreed = agreement.agreed.map { $0.isEmpty ? "permessage-deflate" : "permessage-deflate; \($0)" }
      #expect(connection["agreed"]?.stringValue == agreed, "\(agreement.words) \(agreement.wanted)")
      #expect(connection["compressed"]?["received"]?.int64Value == (agreed == nil ? 0 : 4))
      #expect(connection["compressed"]?["sent"]?.int64Value == (agreed == nil ? 0 : 4))
      await server.child.stop()
    }
  }

  @Test("websocat, in Rust, gets back what it sends")
  func websocat() async throws {
    try await InteropTests.withFolder { folder in
      let echo = try await EchoServer(in: folder)
      for kind in ["--text", "--binary"] {
        let input = InputPipe()
        try input.write("a line\n")
        try input.end()
        let run = try await Child.run(
          Programs.python("websocat"), [kind, "--one-message", echo.url], in: folder, standardInput: input.reading,
          within: 20)
        #expect(run.code == 0 && run.text == "a line\n", "\(run.text)\(run.log)")
      }
      #expect(await echo.stop() == 0)
    }
  }
}
