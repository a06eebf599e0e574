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
    #expect(vectors.handshake_requests.count == 11)
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
    #expect(vectors.rfc_frames.count == 7)
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
    #expect(vectors.valid_lengths.count == 8)
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
    #expect(vectors.valid_sequences.count == 5)
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
    #expect(cases.valid.count == 23 && cases.invalid.count == 49)
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
