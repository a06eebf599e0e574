import ParleyWire
import TestSupport
import Testing

@testable import ParleyWebSocket

/// Every case of the folder `http`.
@Suite("Shared vectors: HTTP", .enabled(if: SharedVectors.arePresent, Comment(rawValue: SharedVectors.absence)))
struct SharedHTTPTests {
  struct Torture: Decodable { let name, hex, verdict, why: String }

  struct LLHTTP: Decodable {
    struct Failure: Decodable {
      let code: Int
      let reason: String
    }
    struct Meta: Decodable { let type: String }
    let title, input_hex: String
    let meta: Meta
    let strict_error: Failure?
  }

  /// Why the head, or the chunks after it, are refused; `nil` if they are not.
  ///
  /// - Parameters:
  ///   - bytes: a message; what follows it is not looked at.
  ///   - end: what is put after a head that does not end in them.
  ///   - bodyEnd: what is put after the chunks.
  static func refusal(
    of bytes: [UInt8], isRequest: Bool = true, end: [UInt8] = [], bodyEnd: [UInt8] = []
  ) -> HTTPError? {
    do throws(HTTPError) {
      var limits = WebSocketLimits()
      limits.maximumFieldCount = 64
      var reader = HTTPHeadReader(limits: limits)
      let start = try reader.receive(bytes)
      _ = try reader.receive(end)
      guard reader.isComplete else { throw .malformedRequestLine }
      let framing = isRequest ? try HTTPRequestHead(reader).framing : try HTTPResponseHead(reader).framing
      if framing == .chunked {
        var chunks = ChunkedBodyReader(maximumByteCount: 4096)
        _ = try chunks.receive(bytes[start...] + bodyEnd)
      }
      return nil
    } catch {
      return error
    }
  }

  /// What is left to an implementation, and what this one does: it refuses, for one reading of a head is enough.
  static let choices: [String: HTTPError] = [
    "two CL same": .duplicateField("content-length"), "CL list same": .invalidContentLength,
    "bare LF line ends": .bareLineFeed, "HTTP/1.2 minor": .unsupportedHTTPVersion,
  ]

  @Test("smuggling and torture")
  func torture() throws {
    let rows: [Torture] = try SharedVectors.json("http/http1_torture.json")
    #expect(rows.count == 64)
    var chosen = 0
    for row in rows {
      let refusal = Self.refusal(of: try #require([UInt8](hex: row.hex)))
      switch row.verdict {
      case "accept": #expect(refusal == nil, "\(row.name): \(row.why)")
      case "reject": #expect(refusal != nil, "\(row.name): \(row.why)")
      default:
        let choice = try #require(Self.choices[row.name])
        #expect(refusal == choice, "\(row.name): \(row.why)")
        chosen += 1
      }
    }
    #expect(chosen == Self.choices.count)
  }

  // MARK: llhttp

  /// What llhttp refuses and this parser does not, with the reason: nothing in it is against RFC 9112.
  static let sound = [
    "No restart when keep-alive is off (1.0)": "the fault is in a second message, and one is read",
    "CRLF between requests, implicit `keep-alive`": "the fault is in a second message, and one is read",
    "HTTP/1.1 with keep-alive disabled and 204 status": "the fault is in a second message, and one is read",
    "HTTP/1.1 with keep-alive disabled, content-length": "the fault is in a second message, and one is read",
    "Multiple tokens with folding and LWS": "llhttp pauses here for its caller: no fault",
    "Setting a flag and pausing": "llhttp pauses here for its caller: no fault",
    "Emitting part of body and pausing": "llhttp pauses here for its caller: no fault",
    "Upgrade GET request": "llhttp pauses here for its caller: no fault",
    "Upgrade POST request": "llhttp pauses here for its caller: no fault",
    "HTTP 101 response with Upgrade and Content-Length header": "llhttp pauses here for its caller: no fault",
    "HTTP 101 response with Upgrade and Transfer-Encoding header": "llhttp pauses here for its caller: no fault",
    "HTTP protocol and ANNOUNCE method": "llhttp has a list of methods; for RFC 9110 a method is any token",
    "Invalid method": "llhttp has a list of methods; for RFC 9110 a method is any token",
  ]

  /// What llhttp takes and this parser refuses, and why.
  static let narrower: [String: (HTTPError, String)] = [
    "M-SEARCH request": (.malformedRequestLine, "`*` is for OPTIONS (RFC 9112 section 3.2.4)"),
    "SOURCE request with ICE": (.malformedRequestLine, "not HTTP"),
    "OPTIONS request with RTSP": (.malformedRequestLine, "not HTTP"),
    "ANNOUNCE request with RTSP": (.malformedRequestLine, "not HTTP"),
    "RTSP response": (.malformedStatusLine, "not HTTP"), "ICE response": (.malformedStatusLine, "not HTTP"),
    "curl GET": (.invalidHost, "`0.0.0.0=5000` is no host"),
    "Firefox GET": (.invalidHost, "`0.0.0.0=5000` is no host"),
    "No HTTP version": (.malformedRequestLine, "HTTP/0.9"), "HTTP version 0.9": (.unsupportedHTTPVersion, "HTTP/0.9"),
    "POST with `chunked` as last transfer-encoding": (.malformedRequestLine, "a fragment in the target"),
    "POST with `chunked` as last transfer-encoding (multiple headers)": (
      .malformedRequestLine, "a fragment in the target"
    ),
    "Fragment in URI": (.malformedRequestLine, "a target has no fragment (RFC 9112 section 3.2)"),
    "Quotes in URI": (.malformedRequestLine, "a quote is not in RFC 3986"),
    "Query URL with vertical bar character": (.malformedRequestLine, "a bar is not in RFC 3986"),
    "`host:port` and basic auth": (.malformedRequestLine, "user information (RFC 9110 section 4.2.4)"),
    "`chunked` before other transfer-encoding": (.invalidTransferEncoding, "only chunked, once"),
    "multiple transfer-encoding where chunked is not the last one": (.invalidTransferEncoding, "only chunked, once"),
    "`chunkedchunked` transfer-encoding does not enable chunked enconding": (
      .invalidTransferEncoding, "only chunked, once"
    ),
    "It should be unsafe to finish inside of the header": (.malformedField, "cut inside a field's name"),
  ]

  /// What llhttp takes only when it is told to be lenient, and this parser takes too, with the reason.
  static let harmless = [
    "Resetting flags when keep-alive is off (1.0, lenient)": "the fault is in a second message, and one is read",
    "Second request header value (lenient)": "the fault is in a second message, and one is read",
    "HTTP/1.1 with keep-alive disabled, content-length (lenient)": "the fault is in a second message, and one is read",
    "HTTP/1.1 with keep-alive disabled and 204 status (lenient)": "the fault is in a second message, and one is read",
  ]

  /// A sample whose request has no `Host`, with one: llhttp does not ask for it, and its lack would hide other faults.
  static func withHost(_ bytes: [UInt8]) -> [UInt8] {
    let text = String(decoding: bytes, as: Unicode.ASCII.self)
    let start = text.prefix { $0.isNewline }.utf8.count
    guard !text.lowercased().contains("host:"), let feed = bytes[start...].firstIndex(of: UInt8(ascii: "\n")),
      feed > 0, bytes[feed - 1] == UInt8(ascii: "\r")
    else { return bytes }
    return bytes[...feed] + Array("Host: a\r\n".utf8) + bytes[(feed + 1)...]
  }

  @Test("each case of llhttp has its verdict")
  func llhttp() throws {
    let rows: [LLHTTP] = try SharedVectors.json("http/llhttp_cases.json")
    #expect(rows.count == 236)
    var used: Set<String> = []
    for row in rows {
      let isRequest = row.meta.type.hasPrefix("request")
      var bytes = try #require([UInt8](hex: row.input_hex))
      if isRequest { bytes = Self.withHost(bytes) }
      // Many inputs stop short of the head's end.
      let end = Array("\r\n\r\n".utf8)
      let refusal = Self.refusal(
        of: bytes, isRequest: isRequest, end: end, bodyEnd: row.strict_error == nil ? [] : end)
      let note: Comment =
        "\(row.meta.type): \(row.title): \(row.strict_error?.reason ?? "fine"), here \(refusal as Any)"
      if row.strict_error != nil {
        if Self.sound[row.title] != nil { used.insert(row.title) }
        #expect((refusal == nil) == (Self.sound[row.title] != nil), note)
      } else if row.meta.type.contains("lenient") {
        if Self.harmless[row.title] != nil { used.insert(row.title) }
        #expect((refusal == nil) == (Self.harmless[row.title] != nil), note)
      } else {
        if Self.narrower[row.title] != nil { used.insert(row.title) }
        #expect(refusal == Self.narrower[row.title]?.0, note)
      }
    }
    #expect(used == Set(Self.sound.keys).union(Self.narrower.keys).union(Self.harmless.keys))
  }
}
