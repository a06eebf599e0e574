import Foundation
import Parley
import TestSupport
import Testing

/// A page in a headless Chromium talks to the example server.
@Suite(
  "WebSocket in a browser", .serialized,
  .enabled(if: Programs.chromium != nil, "there is no Chromium here (scripts/bootstrap --tests installs one)"))
struct WebSocketBrowserTests {
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

  @Test("a browser over TLS with X25519MLKEM768")
  func browser() async throws {
    try await InteropTests.withFolder { folder in
      let certificates = try await Certificates(in: folder)
      let page = try ListeningSocket()
      let origin = "http://\(page.address)"
      let echo = try await EchoServer(
        certificates.words + ["--log", "--deflate", "--deflate-context", "--origin", origin], in: folder)
      // Without --origin the door is closed to browsers.
      let closed = try await EchoServer(certificates.words + ["--log"], in: folder, name: "closed")
      let browser = try Self.browser([echo.url, closed.url], page, certificates, in: folder)
      _ = try await browser.line(within: 60) { $0["event"] == "done" }
      let connections = browser.lines.filter { $0["event"] == "connection" }
      try #require(connections.count == 2)
      #expect(connections[0]["echoed"] == 6, "\(connections[0].serialized())")
      #expect(connections[0]["extensions"]?.stringValue?.hasPrefix("permessage-deflate") == true)
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
    "a browser hears that the server goes away")
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
}
