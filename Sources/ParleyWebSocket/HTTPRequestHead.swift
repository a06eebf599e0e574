/// How many bytes follow a head (RFC 9112 section 6).
public enum HTTPBodyFraming: Hashable, Sendable {
  /// None.
  case none
  /// This many.
  case count(Int)
  /// Chunks.
  case chunked
  /// All until the connection ends; only in a response.
  case untilEnd

  /// The framing that the fields state; `nil` when they state none.
  static func stated(by fields: HTTPFields, isHTTP11: Bool) throws(HTTPError) -> Self? {
    let encodings = fields.values("transfer-encoding")
    let length = try fields.single("content-length")
    if !encodings.isEmpty {
      guard length == nil else { throw .conflictingFraming }
      let codings = fields.list("transfer-encoding")
      guard isHTTP11, codings.count == 1, codings[0].lowercased() == "chunked" else { throw .invalidTransferEncoding }
      return .chunked
    }
    guard let length else { return nil }
    guard let count = HTTPSyntax.decimal(length, maximumDigits: 18) else { throw .invalidContentLength }
    return .count(count)
  }
}

/// The head of an HTTP/1.1 request, read strictly (RFC 9112 section 3).
public struct HTTPRequestHead: Hashable, Sendable {
  /// The method, a token; case matters.
  public let method: String
  /// The request target: a path with a query, or `*`.
  ///
  /// Of an absolute URI, the path and query.
  public let target: String
  /// The host asked for, in lower case, without port and brackets: that of an absolute target, or else `Host`'s; `nil` in
  /// HTTP/1.0 without either.
  public let host: String?
  /// Whether the version is HTTP/1.1, not HTTP/1.0.
  public let isHTTP11: Bool
  /// The header fields.
  public let fields: HTTPFields
  /// What follows the head.
  public let framing: HTTPBodyFraming

  /// Reads a complete head.
  ///
  /// - Precondition: `reader.isComplete`.
  public init(_ reader: HTTPHeadReader) throws(HTTPError) {
    let lines = reader.lines()
    guard let first = lines.first else { throw .malformedRequestLine }
    let parts = first.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard parts.count == 3, !parts[0].isEmpty, parts[0].allSatisfy(HTTPSyntax.isTokenByte) else {
      throw .malformedRequestLine
    }
    switch Array(parts[2]) {
    case Array("HTTP/1.1".utf8): isHTTP11 = true
    case Array("HTTP/1.0".utf8): isHTTP11 = false
    default: throw parts[2].starts(with: "HTTP/".utf8) ? .unsupportedHTTPVersion : .malformedRequestLine
    }
    method = String(decoding: parts[0], as: UTF8.self)
    let target = try RequestTarget(parts[1], method: method)
    self.target = target.path

    var fields = HTTPFields()
    for line in lines.dropFirst() { try fields.receive(line: line) }
    let field = try fields.single("host")
    let fieldHost = field.flatMap { HTTPSyntax.hostAndPort($0)?.host }
    guard fieldHost != nil || field == nil && !isHTTP11 else { throw .invalidHost }
    host = target.host ?? fieldHost
    framing = try .stated(by: fields, isHTTP11: isHTTP11) ?? .none
    self.fields = fields
  }
}

/// A request target that an origin server takes: a path, an absolute URI, or `*` (RFC 9112 section 3.2).
private struct RequestTarget {
  let path: String
  let host: String?

  init(_ bytes: ArraySlice<UInt8>, method: String) throws(HTTPError) {
    guard bytes.allSatisfy(HTTPSyntax.isTargetByte) else { throw .malformedRequestLine }
    let text = String(decoding: bytes, as: UTF8.self)
    if bytes.first == UInt8(ascii: "/") || text == "*" && method == "OPTIONS" {
      (path, host) = (text, nil)
      return
    }
    // A server must take an absolute URI, and heed it more than `Host` (section 3.2.2).
    guard let mark = text.firstRange(of: "://"), ["http", "https"].contains(text[..<mark.lowerBound].lowercased())
    else { throw .malformedRequestLine }
    let rest = text[mark.upperBound...]
    let authority = rest.prefix { $0 != "/" && $0 != "?" }
    guard let host = HTTPSyntax.hostAndPort(authority)?.host else { throw .malformedRequestLine }
    let path = rest[authority.endIndex...]
    self.path = path.first == "/" ? String(path) : "/" + path
    self.host = host
  }
}
