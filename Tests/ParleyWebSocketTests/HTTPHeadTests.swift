import Testing

@testable import ParleyWebSocket

@Suite("HTTP heads")
struct HTTPHeadTests {
  static let good = "GET /a?b=c HTTP/1.1\nHost: Example.com:8080\nX-One: 1\nx-one:\t two  words \t\nEmpty:\n\n"

  @Test("a head is read, split at every offset")
  func reading() throws {
    let bytes = Array(Self.good.replacing("\n", with: "\r\n").utf8)
    for split in 0...bytes.count {
      var reader = HTTPHeadReader(limits: headLimits)
      let first = try reader.receive(bytes[..<split])
      #expect(first == split)
      #expect(reader.isComplete == (split == bytes.count))
      _ = try reader.receive(bytes[split...])
      let head = try HTTPRequestHead(reader)
      #expect(head.method == "GET")
      #expect(head.target == "/a?b=c")
      #expect(head.isHTTP11)
      #expect(head.fields.values("x-one") == ["1", "two  words"])
      #expect(head.fields["empty"] == "")
      #expect(head.fields["absent"] == nil)
      #expect(head.framing == .none)
    }
  }

  @Test("bytes after the head are not taken")
  func leftover() throws {
    var reader = HTTPHeadReader(limits: headLimits)
    let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\n\r\nmore\r\n".utf8)
    #expect(try reader.receive(bytes) == bytes.count - 6)
    #expect(try reader.receive(bytes) == 0)
  }

  @Test("one empty line before the request is skipped, two are not")
  func leadingEmptyLine() throws {
    #expect(try request("\nGET / HTTP/1.1\nHost: a\n\n").target == "/")
    #expect(throws: HTTPError.self) { try request("\n\nGET / HTTP/1.1\nHost: a\n\n") }
  }

  @Test(
    "what is wrong is named",
    arguments: [
      ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", HTTPError.bareCarriageReturn),
      ("GET / HTTP/1.1\r\nHost: a\n\r\n", .bareLineFeed),
      ("\nGET / HTTP/1.1\r\n", .bareLineFeed),
      ("\rGET / HTTP/1.1\r\n", .bareCarriageReturn),
      ("GET / HTTP/1.1\r\nHost: a\r\n\rX", .bareCarriageReturn),
      ("GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", .invalidByte(0)),
      ("GET / HTTP/1.1\r\nHost: a\u{7F}\r\n\r\n", .invalidByte(0x7F)),
      ("\u{16}\u{03}\u{01}", .invalidByte(0x16)),
      ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", .lineFolding),
      ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", .lineFolding),
      ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .malformedField),
      ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", .malformedField),
      ("GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", .malformedField),
      ("GET / HTTP/1.1\r\nHost: a\r\nX(: x\r\n\r\n", .malformedField),
      ("GET / HTTP/1.1\r\n\r\n", .invalidHost),
      ("GET / HTTP/1.1\r\nHost:\r\n\r\n", .invalidHost),
      ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", .invalidHost),
      ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", .invalidHost),
      ("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", .invalidHost),
      ("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", .duplicateField("host")),
      (
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", .duplicateField("content-length")
      ),
      ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", .invalidContentLength),
      ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .invalidTransferEncoding),
      ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", .conflictingFraming),
      ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
      ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", .malformedRequestLine),
      (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
      ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
      ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
      ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
      ("GET /\r\nHost: a\r\n\r\n", .malformedRequestLine),
      ("GET / http/1.1\r\nHost: a\r\n\r\n", .malformedRequestLine),
      ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", .unsupportedHTTPVersion),
      ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", .unsupportedHTTPVersion),
    ])
  func faults(text: String, error: HTTPError) {
    #expect(throws: error) { try HTTPRequestHead(head(Array(text.utf8))) }
  }

  @Test(
    "a target is a path or an absolute URI, whose host counts more than the field's",
    arguments: [
      ("/a?b", "/a?b", "field"), ("http://Target.example:81/a?b", "/a?b", "target.example"),
      ("HTTPS://target", "/", "target"), ("http://target?b", "/?b", "target"), ("http://[::1]/", "/", "::1"),
      // What a path says further on is no authority.
      ("/http://target/", "/http://target/", "field"),
    ])
  func targets(target: String, path: String, host: String) throws {
    let head = try request("GET \(target) HTTP/1.1\nHost: field:80\n\n")
    #expect(head.target == path)
    #expect(head.host == host)
    // The field must be there and be a host all the same.
    #expect(throws: HTTPError.invalidHost) { try request("GET \(target) HTTP/1.1\n\n") }
    #expect(throws: HTTPError.invalidHost) { try request("GET \(target) HTTP/1.1\nHost: a b\n\n") }
  }

  @Test(
    "other targets are refused",
    arguments: [
      "ws://a/", "ftp://a/", "http:///a", "http://", "http://u@a/", "http://a:b/", "http:/a", "a:80", "*", "",
      "http://a#b",
      "http://ä/", "http://[::1/",
    ])
  func badTargets(target: String) {
    #expect(throws: HTTPError.malformedRequestLine) { try request("GET \(target) HTTP/1.1\nHost: a\n\n") }
  }

  @Test("OPTIONS * has no host but the field's, and HTTP/1.0 perhaps none")
  func hosts() throws {
    #expect(try request("OPTIONS * HTTP/1.1\nHost: A\n\n").host == "a")
    #expect(try request("GET / HTTP/1.0\n\n").host == nil)
    #expect(try request("GET http://a/ HTTP/1.0\n\n").host == "a")
  }

  @Test("each byte of a line is looked at, wherever it stands", arguments: 0..<24)
  func everyByte(position: Int) throws {
    let start = "GET / HTTP/1.1\r\nHost: a\r\nX: "
    for byte in UInt8.min...UInt8.max where byte != UInt8(ascii: "\r") && byte != UInt8(ascii: "\n") {
      var value = [UInt8](repeating: UInt8(ascii: "x"), count: 24)
      value[position] = byte
      let bytes = Array(start.utf8) + value + Array("\r\n\r\n".utf8)
      if byte == 9 || byte >= 0x20 && byte != 0x7F {
        let read = try #require(try HTTPRequestHead(head(bytes)).fields["x"])
        let isTrimmed = [9, 32].contains(byte) && [0, 23].contains(position)
        #expect(read.unicodeScalars.count == (isTrimmed ? 23 : 24))
        if !isTrimmed { #expect(Array(read.unicodeScalars)[position].value == UInt32(byte)) }
      } else {
        #expect(throws: HTTPError.invalidByte(byte)) { try head(bytes) }
      }
    }
  }

  @Test("the head's size has a limit: at it, and one past")
  func sizeLimit() throws {
    let frame = "GET / HTTP/1.1\nHost: a\nX: \n\n"
    let room = 4096 - frame.replacing("\n", with: "\r\n").utf8.count
    for (count, isGood) in [(room, true), (room + 1, false)] {
      let text = frame.replacing("X: ", with: "X: " + String(repeating: "x", count: count))
      if isGood {
        #expect(try request(text).fields["x"]?.count == room)
      } else {
        #expect(throws: HTTPError.headTooLarge(limit: 4096)) { try request(text) }
      }
    }
    // A leading empty line does not buy room.
    #expect(throws: HTTPError.headTooLarge(limit: 4096)) {
      try request("\n" + frame.replacing("X: ", with: "X: " + String(repeating: "x", count: room)))
    }
  }

  @Test("the number of fields has a limit: at it, and one past")
  func fieldLimit() throws {
    let fields = { count in "GET / HTTP/1.1\nHost: a\n" + String(repeating: "X: y\n", count: count - 1) + "\n" }
    #expect(try request(fields(32)).fields.all.count == 32)
    #expect(throws: HTTPError.tooManyFields(limit: 32)) { try request(fields(33)) }
  }

  @Test("an endless head is refused before it ends")
  func endless() {
    var reader = HTTPHeadReader(limits: headLimits)
    #expect(throws: HTTPError.headTooLarge(limit: 4096)) {
      for _ in 0..<5000 { _ = try reader.receive([0x61]) }
    }
  }

  static func response(_ text: String) throws(HTTPError) -> HTTPResponseHead {
    try HTTPResponseHead(head(Array(text.replacing("\n", with: "\r\n").utf8)))
  }

  @Test("a response head is read")
  func response() throws {
    let answer = try Self.response("HTTP/1.1 200 OK fine\nContent-Length: 42\n\n")
    #expect(answer.status == 200)
    #expect(answer.framing == .count(42))
    #expect(try Self.response("HTTP/1.1 404\n\n").framing == .untilEnd)
    #expect(try Self.response("HTTP/1.1 204 \nContent-Length: 3\n\n").framing == .none)
    #expect(try Self.response("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n").framing == .chunked)
  }

  @Test(
    "a malformed response head is refused",
    arguments: [
      ("HTP/1.1 200 OK", HTTPError.malformedStatusLine), ("HTTP/1.1 20 OK", .malformedStatusLine),
      ("HTTP/1.1 2000 OK", .malformedStatusLine), ("HTTP/1.1  200 OK", .malformedStatusLine),
      ("HTTP/1.1 099 OK", .malformedStatusLine), ("HTTP/1.1 600 OK", .malformedStatusLine),
      ("HTTP/2.0 200 OK", .unsupportedHTTPVersion), ("HTTP/1.1\t200 OK", .unsupportedHTTPVersion),
      ("HTTP/1.1 200 OK\nContent-Length: 1\nTransfer-Encoding: chunked", .conflictingFraming),
    ])
  func badResponses(text: String, error: HTTPError) {
    #expect(throws: error) { try Self.response(text + "\n\n") }
  }
}
