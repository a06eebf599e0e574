import Foundation
import Parley
import TestSupport
import Testing

/// Other people's WebSocket software against the example programs.
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
    let input = InputPipe()
    for line in lines { try input.write(line + "\n") }
    try input.end()
    let run = try await Child.run(Programs.client, words, in: folder, standardInput: input.reading)
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

  // MARK: HTTP, by curl

  struct Answer: Sendable, CustomTestStringConvertible {
    let status: Int
    let words: [String]
    let contains: [String]
    var testDescription: String { "\(status) to \(words.joined(separator: " "))" }
  }

  static func header(_ fields: String...) -> [String] { fields.flatMap { ["--header", $0] } }
  static let upgrade = header("Connection: Upgrade", "Upgrade: websocket")
  /// The key of RFC 6455 section 1.3, and its answer.
  static let key = header("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
  static let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
  static let version = header("Sec-WebSocket-Version: 13")

  /// Has curl ask; it waits for more after a 101, so it is given up after a while.
  static func curl(_ words: [String], _ url: String, in folder: URL, seconds: Double = 5) async throws -> (
    text: String, log: String
  ) {
    let curl = try #require(Programs.curl)
    let run = try await Child.run(
      curl, ["--http1.1", "--silent", "--verbose", "--include", "--max-time", "\(seconds)"] + words + [url],
      in: folder)
    return (run.text, run.log)
  }

  @Test(
    "curl sees what the standards demand",
    .enabled(if: Programs.curl != nil, "there is no curl here (scripts/bootstrap --tests installs it)"),
    arguments: [
      Answer(status: 400, words: [], contains: ["Connection: close"]),
      Answer(
        status: 426, words: upgrade + key + header("Sec-WebSocket-Version: 8"),
        contains: [
          "Sec-WebSocket-Version: 13", "Upgrade: websocket",
        ]),
      Answer(status: 400, words: upgrade + version, contains: []),
      Answer(status: 400, words: upgrade + version + header("Sec-WebSocket-Key: c2hvcnQ="), contains: []),
      Answer(status: 400, words: upgrade + version + key + ["--data", "body", "--request", "GET"], contains: []),
      Answer(status: 403, words: upgrade + version + key + header("Origin: https://elsewhere.example"), contains: []),
    ])
  func curlRefused(answer: Answer) async throws {
    try await InteropTests.withFolder { folder in
      let echo = try await EchoServer(in: folder)
      let seen = try await Self.curl(answer.words, "http://\(echo.address)/", in: folder)
      #expect(seen.text.hasPrefix("HTTP/1.1 \(answer.status) "), "\(seen.text)")
      for field in answer.contains { #expect(seen.text.contains("\r\n\(field)\r\n"), "\(seen.text)") }
      #expect(seen.log.contains("Closing connection"), "\(seen.log)")
      #expect(await echo.stop() == 0)
    }
  }

  @Test(
    "curl is let in, also over TLS 1.3",
    .enabled(if: Programs.curl != nil, "there is no curl here (scripts/bootstrap --tests installs it)"))
  func curlAccepted() async throws {
    try await InteropTests.withFolder { folder in
      let certificates = try await Certificates(in: folder)
      for words in [[], certificates.words] {
        let echo = try await EchoServer(words, in: folder)
        let scheme = words.isEmpty ? "http" : "https"
        let seen = try await Self.curl(
          Self.upgrade + Self.key + Self.version + ["--cacert", certificates.authority], "\(scheme)://\(echo.address)/",
          in: folder, seconds: 1)
        #expect(seen.text.hasPrefix("HTTP/1.1 101 Switching Protocols\r\n"), "\(seen.text)\(seen.log)")
        #expect(seen.text.contains("\r\n\(Self.accept)\r\n"))
        #expect(seen.log.contains("TLSv1.3") == (scheme == "https"))
        #expect(await echo.stop() == 0)
      }
    }
  }

  // MARK: A browser

  static let noBrowser = "there is no Chromium here (scripts/bootstrap --tests installs one)"

  /// Has Chromium connect to each URL; its page comes from `listener`.
  static func browser(
    _ urls: [String], _ listener: ListeningSocket, _ certificates: Certificates, in folder: URL, _ words: [String] = []
  ) throws -> Child {
    let program = try #require(Programs.chromium)
    return try Child(
      Programs.python,
      [Programs.pythonPeer + "/browser.py", program.path()] + urls + ["--trust", certificates.certificate] + words,
      in: folder, name: "browser", standardInput: listener.descriptor)
  }

  @Test("a browser over TLS with X25519MLKEM768", .enabled(if: Programs.chromium != nil, Comment(rawValue: noBrowser)))
  func browser() async throws {
    try await InteropTests.withFolder { folder in
      let certificates = try await Certificates(in: folder)
      let page = try ListeningSocket()
      let origin = "http://\(page.address)"
      let echo = try await EchoServer(certificates.words + ["--log", "--origin", origin], in: folder)
      // Without --origin the door is closed to browsers.
      let closed = try await EchoServer(certificates.words + ["--log"], in: folder, name: "closed")
      let browser = try Self.browser([echo.url, closed.url], page, certificates, in: folder)
      _ = try await browser.line(within: 60) { $0["event"] == "done" }
      let connections = browser.lines.filter { $0["event"] == "connection" }
      try #require(connections.count == 2)
      #expect(connections[0]["echoed"] == 6, "\(connections[0].serialized())")
      #expect(connections[0]["code"] == 4321 && connections[0]["clean"] == true)
      #expect(try await echo.child.line(beginning: "opened ").hasSuffix(" TLSv1.3 X25519MLKEM768 http/1.1"))
      #expect(try await echo.child.line(beginning: "closed ") == "4321 that is all")
      #expect(connections[1]["opened"] == false && connections[1]["code"] == 1006)
      #expect(!closed.child.text.contains("opened"))
      #expect(await browser.end() == 0)
      for server in [echo, closed] { #expect(await server.stop() == 0) }
    }
  }

  @Test(
    "a browser hears that the server goes away", .enabled(if: Programs.chromium != nil, Comment(rawValue: noBrowser)))
  func browserClosed() async throws {
    try await InteropTests.withFolder { folder in
      let certificates = try await Certificates(in: folder)
      let page = try ListeningSocket()
      let echo = try await EchoServer(["--origin", "http://\(page.address)"], in: folder)
      let browser = try Self.browser([echo.url], page, certificates, in: folder, ["--wait"])
      _ = try await browser.line(within: 60) { $0["event"] == "waiting" }
      #expect(await echo.stop() == 0)
      let connection = try await browser.line { $0["event"] == "connection" }
      #expect(connection["code"] == 1001 && connection["clean"] == true, "\(connection.serialized())")
      #expect(await browser.end() == 0)
    }
  }

  // MARK: The programs themselves

  @Test(
    "the examples refuse what they cannot read with exit code 2 and a hint",
    arguments: [
      ("echo", ["--prot", "1"], "there is no option '--prot'", "websocket-echo --help"),
      ("echo", ["--port", "65536"], "--port takes a number from 0 to 65535", ""),
      ("echo", ["--port"], "--port needs a value", ""),
      ("echo", ["--tls-cert", "x"], "--tls-cert and --tls-key go together", "neither for ws://"),
      ("echo", ["--client-ca", "x"], "--client-ca is for wss:// only", "--tls-cert"),
      ("echo", ["--host", "localhost"], "--host takes an address in numbers", "127.0.0.1"),
      ("client", [], "give a URL", "websocket-client --help"),
      ("client", ["http://a"], "is not a WebSocket URL", "wss://"),
      ("client", ["ws://a", "--header", "a b: c"], "--header takes 'NAME: VALUE'", "Authorization"),
      ("client", ["ws://a", "--cert", "x"], "--cert and --key go together", ""),
      ("client", ["ws://a", "--subprotocol", "a b"], "cannot be the name of a subprotocol", ""),
    ])
  func usage(program: String, words: [String], message: String, hint: String) async throws {
    try await InteropTests.withFolder { folder in
      let run = try await Child.run(program == "echo" ? Programs.echo : Programs.client, words, in: folder, within: 10)
      #expect(run.code == 2)
      #expect(run.log.contains(message) && (hint.isEmpty || run.log.contains(hint)), "\(run.log)")
    }
  }

  @Test("the examples explain themselves, and say what fails")
  func failures() async throws {
    try await InteropTests.withFolder { folder in
      for program in [Programs.echo, Programs.client] {
        let help = try await Child.run(program, ["--help"], in: folder, within: 10)
        #expect(help.code == 0 && help.text.contains("Usage: \(program.lastPathComponent)"))
      }
      let echo = try await EchoServer(in: folder)
      let port = try #require(echo.address.split(separator: ":").last)
      let second = try await Child.run(Programs.echo, ["--port", String(port)], in: folder, within: 10)
      #expect(second.code == 1 && second.log.contains("in use"), "\(second.log)")
      #expect(await echo.stop() == 0)
      let nobody = try await Child.run(Programs.client, [echo.url], in: folder, within: 10)
      #expect(nobody.code == 1 && nobody.log.contains("Connection refused"), "\(nobody.log)")
      let file = try await Child.run(
        Programs.echo, ["--tls-cert", "/nonexistent", "--tls-key", "/nonexistent"], in: folder, within: 10)
      #expect(file.code == 1 && file.log.contains("/nonexistent"), "\(file.log)")
    }
  }
}
