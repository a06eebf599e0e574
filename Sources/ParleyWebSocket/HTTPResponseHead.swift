/// The head of an HTTP/1.1 response, read strictly (RFC 9112 section 4).
public struct HTTPResponseHead: Hashable, Sendable {
  /// The status code, 100 to 599.
  public let status: Int
  /// Whether the version is HTTP/1.1, not HTTP/1.0.
  public let isHTTP11: Bool
  /// The header fields.
  public let fields: HTTPFields
  /// What follows the head of the answer to a GET.
  public let framing: HTTPBodyFraming

  /// Reads a complete head.
  ///
  /// - Precondition: `reader.isComplete`.
  public init(_ reader: HTTPHeadReader) throws(HTTPError) {
    let lines = reader.lines()
    guard let first = lines.first else { throw .malformedStatusLine }
    let start = first.prefix(9)
    switch Array(start) {
    case Array("HTTP/1.1 ".utf8): isHTTP11 = true
    case Array("HTTP/1.0 ".utf8): isHTTP11 = false
    default: throw first.starts(with: "HTTP/".utf8) ? .unsupportedHTTPVersion : .malformedStatusLine
    }
    let rest = first.dropFirst(9)
    let digits = rest.prefix(3)
    guard digits.count == 3, digits.allSatisfy(HTTPSyntax.isDigit), rest.count == 3 || rest.dropFirst(3).first == 0x20,
      let status = Int(String(decoding: digits, as: UTF8.self)), (100...599).contains(status)
    else { throw .malformedStatusLine }
    self.status = status

    var fields = HTTPFields()
    for line in lines.dropFirst() { try fields.receive(line: line) }
    let stated = try HTTPBodyFraming.stated(by: fields, isHTTP11: isHTTP11)
    framing = status < 200 || status == 204 || status == 304 ? .none : stated ?? .untilEnd
    self.fields = fields
  }
}
