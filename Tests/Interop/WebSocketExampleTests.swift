import Foundation
import Parley
import TestSupport
import Testing

/// What the example programs promise on their own help pages.
@Suite("WebSocket examples", .serialized)
struct WebSocketExampleTests {
  @Test("a message to everybody reaches each connection of each loop once")
  func everybody() async throws {
    try await InteropTests.withFolder { folder in
      let echo = try await EchoServer(["--loops", "3", "--broadcast"], in: folder)
      let url = try #require(WebURL(echo.url))
      let loop = try EventLoop()
      var connections: [WebSocketConnection] = []
      for _ in 0..<24 { connections.append(try await WebSocketClient.connect(to: url, on: loop, options: .init())) }
      var messages = connections.map { $0.makeAsyncIterator() }
      for (sender, text) in [(0, "Press"), (7, "P"), (23, "Paper")] {
        try await connections[sender].send(.text(text))
        for index in messages.indices { #expect(try await messages[index].next() == .text(text)) }
      }
      try await connections[5].send(.text("not for you"))
      try await connections[6].send(.binary([]))
      #expect(try await messages[5].next() == .text("not for you"))
      #expect(try await messages[6].next() == .binary([]))
      // Nobody else has heard of that: the next is for everybody again.
      try await connections[1].send(.binary([0x50, 0]))
      for index in messages.indices { #expect(try await messages[index].next() == .binary([0x50, 0])) }
      #expect(await echo.stop() == 0)
      for index in messages.indices { #expect(try await messages[index].next() == nil) }
      #expect(connections.allSatisfy { $0.closure == .closed(.goingAway, reason: "") })
      loop.shutDown()
    }
  }

  @Test("only clients that show a certificate of the right authority come in")
  func clientCertificates() async throws {
    try await InteropTests.withFolder { folder in
      let certificates = try await Certificates(in: folder)
      func file(_ name: String) -> String { folder.appending(path: name).path() }
      let echo = try await EchoServer(
        certificates.words + ["--log", "--client-ca", file("client-ca.pem")], in: folder)
      let trust = [echo.url, "--ca", certificates.authority]
      let known = try await WebSocketWitnessTests.ourClient(
        trust + ["--cert", file("client.pem"), "--key", file("client.key")], lines: ["it is me"], in: folder)
      #expect(known.code == 0 && known.lines == ["it is me", ""], "\(known.log)")
      let opened = try await echo.child.line(beginning: "opened ")
      #expect(opened.hasSuffix(" http/1.1 CN=desk 7,O=Example\\, Inc."), "\(opened)")
      let stranger = ["--cert", file("stranger-client.pem"), "--key", file("stranger-client.key")]
      for words in [[], stranger] {
        let unknown = try await WebSocketWitnessTests.ourClient(trust + words, lines: ["let me in"], in: folder)
        #expect(unknown.code == 1 && unknown.lines == [""], "\(unknown)")
      }
      #expect(echo.child.text.components(separatedBy: "opened").count == 2)
      #expect(await echo.stop() == 0)
    }
  }

  @Test("SIGHUP brings the renewed certificate to new connections, and does not touch those that are there")
  func renewal() async throws {
    try await InteropTests.withFolder { folder in
      let certificates = try await Certificates(in: folder)
      let echo = try await EchoServer(certificates.words + ["--log"], in: folder)
      let input = InputPipe()
      let early = try Child(
        Programs.client, [echo.url, "--ca", certificates.authority], in: folder, name: "early",
        standardInput: input.reading)
      try input.write("before\n")
      _ = try await early.line(beginning: "before")
      let old = try await Self.shownCertificate(echo, certificates)
      #expect(old == (try Self.encoded("both.pem", in: folder)))

      // A file that cannot be read leaves the old one in use.
      try Data("none".utf8).write(to: folder.appending(path: "both.pem"))
      kill(echo.child.identifier, SIGHUP)
      _ = try await echo.child.complaint(beginning: "websocket-echo: the old certificates stay in use: ")
      #expect(try await Self.shownCertificate(echo, certificates) == old)

      for suffix in ["pem", "key"] {
        try Data(contentsOf: folder.appending(path: "renewed.\(suffix)")).write(
          to: folder.appending(path: "both.\(suffix)"))
      }
      kill(echo.child.identifier, SIGHUP)
      _ = try await echo.child.line(beginning: "read the certificates again")
      let new = try await Self.shownCertificate(echo, certificates)
      #expect(new == (try Self.encoded("renewed.pem", in: folder)) && new != old)
      try input.write("after\n")
      _ = try await early.line(beginning: "after")
      try input.end()
      #expect(await early.end() == 0)
      #expect(await echo.stop() == 0)
    }
  }

  /// The certificate that a server shows, in hexadecimal.
  static func shownCertificate(_ echo: EchoServer, _ certificates: Certificates) async throws -> String {
    let folder = URL(filePath: certificates.certificate).deletingLastPathComponent()
    let script = """
      import socket, ssl, sys
      context = ssl.create_default_context(cafile=sys.argv[2])
      host, port = sys.argv[1].split(":")
      with context.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host) as connection:
          print(connection.getpeercert(True).hex())
      """
    let run = try await Child.run(Programs.python, ["-c", script, echo.address, certificates.authority], in: folder)
    #expect(run.code == 0, "\(run.log)")
    return run.text.trimmingCharacters(in: .newlines)
  }

  /// A certificate's file, in hexadecimal.
  static func encoded(_ name: String, in folder: URL) throws -> String {
    let lines = try String(contentsOf: folder.appending(path: name), encoding: .utf8).split(separator: "\n")
    let bytes = try #require(Data(base64Encoded: lines.filter { !$0.hasPrefix("-") }.joined()))
    return bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  @Test(
    "the examples refuse what they cannot read with exit code 2 and a hint",
    arguments: [
      ("echo", ["--prot", "1"], "there is no option '--prot'", "websocket-echo --help"),
      ("echo", ["--port", "65536"], "--port takes a number from 0 to 65535", ""),
      ("echo", ["--port"], "--port needs a value", ""),
      ("echo", ["--tls-cert", "x"], "--tls-cert and --tls-key go together", "neither for ws://"),
      ("echo", ["--deflate-context"], "there is nothing to refine without compression", "--deflate"),
      ("echo", ["--deflate", "--deflate-window", "16"], "--deflate-window takes a number from 8 to 15", ""),
      ("echo", ["--loops", "0"], "--loops takes a number from 1 to 256", ""),
      ("echo", ["--client-ca", "x"], "--client-ca is for wss:// only", "--tls-cert"),
      ("echo", ["--host", "localhost"], "--host takes an address in numbers", "127.0.0.1"),
      ("client", [], "give a URL", "websocket-client --help"),
      ("client", ["http://a"], "is not a WebSocket URL", "wss://"),
      ("client", ["ws://a", "--header", "a b: c"], "--header takes 'NAME: VALUE'", "Authorization"),
      ("client", ["ws://a", "--deflate-window", "9"], "there is nothing to refine without compression", "--deflate"),
      ("client", ["ws://a", "--deflate-window", "7"], "--deflate-window takes a number from 8 to 15", ""),
      ("client", ["--autobahn", "nowhere"], "--autobahn takes a URL without a path", "ws://127.0.0.1:9001"),
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
      let echo = try await EchoServer(["--loops", "2"], in: folder)
      let port = try #require(echo.address.split(separator: ":").last.map(String.init))
      for loops in ["1", "2"] {
        let second = try await Child.run(Programs.echo, ["--port", port, "--loops", loops], in: folder, within: 10)
        #expect(second.code == 1 && second.log.contains("in use"), "\(loops): \(second.log)")
      }
      #expect(await echo.stop() == 0)
      let nobody = try await Child.run(Programs.client, [echo.url], in: folder, within: 10)
      #expect(nobody.code == 1 && nobody.log.contains("Connection refused"), "\(nobody.log)")
      let file = try await Child.run(
        Programs.echo, ["--tls-cert", "/nonexistent", "--tls-key", "/nonexistent"], in: folder, within: 10)
      #expect(file.code == 1 && file.log.contains("/nonexistent"), "\(file.log)")
    }
  }
}
