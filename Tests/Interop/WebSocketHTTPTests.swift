import Foundation
import Parley
import TestSupport
import Testing

/// The opening handshake as curl sees it.
@Suite(
  "WebSocket by curl", .serialized,
  .enabled(if: Programs.curl != nil, "there is no curl here (scripts/bootstrap --tests installs it)"))
struct WebSocketHTTPTests {
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
      #expect(!seen.log.contains("left intact"), "\(seen.log)")
      #expect(await echo.stop() == 0)
    }
  }

  @Test(
    "curl is let in, also over TLS 1.3")
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
}
