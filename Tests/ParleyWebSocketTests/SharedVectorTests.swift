import Foundation
import ParleyCrypto
import ParleyWire
import TestSupport
import Testing

@testable import ParleyWebSocket

/// The parts of `websocket/rfc6455.json` and its neighbours that these tests read.
enum Shared {
  struct Accept: Decodable { let key, accept: String }
  struct Request: Decodable { let name, request, expected: String }
  struct Frame: Decodable { let name, hex: String }
  struct Length: Decodable {
    let name, header_hex, sha256_of_frame: String
    let length: Int
  }
  struct Sequence: Decodable {
    let name, hex: String
    let text, reason, pong_payload_hex: String?
    let close_code: UInt16?
  }
  struct Invalid: Decodable {
    let name, hex, receiver: String
    let expected_close_code: UInt16
  }
  struct RFC6455: Decodable {
    let handshake_accept: [Accept]
    let handshake_requests: [Request]
    let rfc_frames: [Frame]
    let valid_lengths: [Length]
    let valid_sequences: [Sequence]
    let valid_close_codes: [UInt16]
    let invalid_frames: [Invalid]
  }
  struct UTF8Cases: Decodable {
    struct Good: Decodable { let cp, hex: String }
    struct Bad: Decodable {
      let hex: String
      let cpython_error_at: Int
      let cpython_reason: String
    }
    let valid: [Good]
    let invalid: [Bad]
  }
  struct Torture: Decodable { let name, hex, verdict, why: String }
  struct LLHTTP: Decodable {
    struct Failure: Decodable {
      let code: Int
      let reason: String
    }
    struct Meta: Decodable { let type: String? }
    let title, input_hex: String
    let meta: Meta
    let strict_error: Failure?
  }
}

@Suite("Shared vectors: RFC 6455", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct SharedRFC6455Tests {
  let vectors: Shared.RFC6455

  init() throws { vectors = try SharedVectors.json("websocket/rfc6455.json") }

  @Test("accept keys")
  func acceptKeys() {
    #expect(vectors.handshake_accept.count == 21)
    for row in vectors.handshake_accept { #expect(OpeningHandshake.accept(for: row.key) == row.accept) }
  }

  @Test("opening handshakes")
  func handshakes() {
    for row in vectors.handshake_requests {
      var policy = UpgradePolicy()
      policy.allowedOrigins = ["http://example.com"]
      let status: Int
      do throws(HTTPError) {
        _ = try UpgradeRequest(HTTPRequestHead(head(Array(row.request.utf8))), policy: policy)
        status = 101
      } catch {
        status = error.status
      }
      let digits = row.expected.prefix(3)
      #expect(digits == "4xx" ? status / 100 == 4 : String(status) == digits, "\(row.name)")
      if row.expected.contains("Sec-WebSocket-Version") {
        #expect(String(decoding: UpgradeRefusal.response(status: status), as: UTF8.self).contains("Version: 13\r\n"))
      }
    }
  }

  @Test("the frames of section 5.7")
  func rfcFrames() throws {
    for row in vectors.rfc_frames {
      let bytes = try #require([UInt8](hex: row.hex))
      let isMasked = bytes[1] & 0x80 != 0
      let (header, size) = try #require(
        try FrameHeader.decode(bytes, from: isMasked ? .client : .server), "\(row.name)")
      var again: [UInt8] = []
      header.encode(into: &again)
      #expect(again == Array(bytes.prefix(size)), "\(row.name)")
    }
  }

  @Test("frames of every length class")
  func lengths() throws {
    for row in vectors.valid_lengths {
      let payload = (0..<row.length).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      var client = Endpoint(.client)
      client.machine.send(.binary, payload, into: &client.output)
      let sent = client.output
      #expect(Array(sent.prefix(row.header_hex.count / 2)).hex == row.header_hex, "\(row.name)")
      #expect(SHA256.hash(sent).hex == row.sha256_of_frame, "\(row.name)")
      var server = Endpoint(.server)
      server.receive(sent)
      let seen = server.seen
      #expect(seen == [.binary(payload)], "\(row.name)")
    }
  }

  @Test("valid sequences, byte by byte too")
  func sequences() throws {
    for row in vectors.valid_sequences {
      let bytes = try #require([UInt8](hex: row.hex))
      for pieces in [[bytes], bytes.map { [$0] }] {
        var server = Endpoint(.server)
        for piece in pieces { server.receive(piece) }
        let (seen, output) = (server.seen, server.output)
        if let text = row.text {
          #expect(seen == [.text(text)], "\(row.name)")
        } else {
          let code = row.close_code.map(CloseCode.init) ?? .noStatus
          #expect(seen == [.close(code, row.reason ?? "")], "\(row.name)")
        }
        if let pong = row.pong_payload_hex {
          #expect(output == rawFrame(0x8A, [UInt8](hex: pong) ?? [], masked: false), "\(row.name)")
        }
      }
    }
  }

  @Test("close codes that are allowed")
  func closeCodes() {
    for code in vectors.valid_close_codes { #expect(CloseCode(rawValue: code).isAllowedOnWire, "\(code)") }
  }

  @Test("invalid frames, byte by byte too")
  func invalid() throws {
    #expect(vectors.invalid_frames.count == 43)
    for row in vectors.invalid_frames {
      let bytes = try #require([UInt8](hex: row.hex))
      for pieces in [[bytes], bytes.map { [$0] }] {
        var endpoint = Endpoint(row.receiver == "server" ? .server : .client)
        for piece in pieces { endpoint.receive(piece) }
        let seen = endpoint.seen
        guard case .failure(let error) = seen.last else {
          Issue.record("\(row.name): \(seen)")
          continue
        }
        #expect(error.closeCode.rawValue == row.expected_close_code, "\(row.name)")
      }
    }
  }

  @Test("UTF-8")
  func utf8() throws {
    let cases: Shared.UTF8Cases = try SharedVectors.json("websocket/utf8_cases.json")
    #expect(cases.valid.count + cases.invalid.count > 60)
    for row in cases.valid {
      let bytes = try #require([UInt8](hex: row.hex))
      #expect(UTF8ValidatorTests.isValid([bytes]) && UTF8ValidatorTests.isValid(bytes.map { [$0] }), "\(row.cp)")
    }
    for row in cases.invalid {
      let bytes = try #require([UInt8](hex: row.hex))
      #expect(!UTF8ValidatorTests.isValid([bytes]), "\(row.hex)")
      // Everything before the fault that CPython names is taken.
      var validator = UTF8Validator()
      #expect(validator.receive(bytes[..<row.cpython_error_at]) && validator.isComplete, "\(row.hex)")
    }
  }
}

@Suite("Shared vectors: HTTP", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct SharedHTTPTests {
  /// Reads one request, its body included.
  static func read(_ bytes: [UInt8]) throws(HTTPError) -> HTTPRequestHead {
    var reader = HTTPHeadReader()
    let start = try reader.receive(bytes)
    guard reader.isComplete else { throw .malformedRequestLine }
    let head = try HTTPRequestHead(reader)
    if head.framing == .chunked {
      var chunks = ChunkedBodyReader(maximumByteCount: 4096)
      _ = try chunks.receive(bytes[start...])
      guard chunks.isComplete else { throw .malformedChunk }
    }
    return head
  }

  @Test("smuggling and torture")
  func torture() throws {
    let rows: [Shared.Torture] = try SharedVectors.json("http/http1_torture.json")
    #expect(rows.count == 64)
    for row in rows {
      let bytes = try #require([UInt8](hex: row.hex))
      let isAccepted: Bool
      do throws(HTTPError) {
        _ = try Self.read(bytes)
        isAccepted = true
      } catch {
        isAccepted = false
      }
      if row.verdict != "either" { #expect(isAccepted == (row.verdict == "accept"), "\(row.name): \(row.why)") }
    }
  }

  /// The error that reading these bytes ends in. Many inputs of llhttp stop short, so the ends of a line and of a head
  /// are added; a refusal must come from what is there.
  static func refusal(of bytes: [UInt8], isRequest: Bool) -> HTTPError? {
    let end = Array("\r\n\r\n".utf8)
    do throws(HTTPError) {
      var reader = HTTPHeadReader()
      let start = try reader.receive(bytes)
      _ = try reader.receive(end)
      let framing = isRequest ? try HTTPRequestHead(reader).framing : try HTTPResponseHead(reader).framing
      if framing == .chunked {
        var chunks = ChunkedBodyReader(maximumByteCount: 4096)
        _ = try chunks.receive(bytes[start...] + end)
      }
      return nil
    } catch {
      return error
    }
  }

  @Test("what llhttp refuses is refused", arguments: ["request", "response"])
  func llhttp(type: String) throws {
    let rows: [Shared.LLHTTP] = try SharedVectors.json("http/llhttp_cases.json")
    var count = 0
    for row in rows where row.meta.type == type {
      // "Pause" is a feature of llhttp's interface, and 5 ("Data after `Connection: close`") and the last two titles
      // are about what follows a message that is fine.
      guard let failure = row.strict_error, !failure.reason.hasPrefix("Pause"), failure.code != 5,
        row.title != "CRLF between requests, implicit `keep-alive`"
      else { continue }
      // llhttp knows a fixed list of methods and RTSP; RFC 9110 makes a method any token.
      guard !["Invalid method", "HTTP protocol and ANNOUNCE method"].contains(row.title) else { continue }
      count += 1
      let bytes = try #require([UInt8](hex: row.input_hex))
      #expect(Self.refusal(of: bytes, isRequest: type == "request") != nil, "\(row.title): \(failure.reason)")
    }
    #expect(count == (type == "request" ? 43 : 22))
  }
}
