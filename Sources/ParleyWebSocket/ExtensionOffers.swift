/// One element of `Sec-WebSocket-Extensions` (RFC 6455 section 9.1): a name and its parameters.
///
///     permessage-deflate; client_max_window_bits; server_max_window_bits="10"
struct ExtensionOffer: Hashable, Sendable {
  struct Parameter: Hashable, Sendable {
    let name: String
    /// `nil` where there is no `=`.
    let value: String?
  }

  let name: String
  var parameters: [Parameter] = []

  /// Reads every element of every such field of a head, in order.
  ///
  /// A value is a token, or a quoted string of what is a token without its quotes. Empty elements of the list are passed
  /// over (RFC 9110 section 5.6.1).
  ///
  /// - Throws: `malformedOffer` for anything else.
  static func all(in fields: HTTPFields) throws(HTTPError) -> [Self] {
    var offers: [Self] = []
    for value in fields.values("sec-websocket-extensions") {
      var reader = ExtensionReader(value)
      while true {
        reader.skipWhitespace()
        if reader.isAtEnd { break }
        if reader.take(",") { continue }
        offers.append(try reader.readOffer())
        guard reader.isAtEnd || reader.take(",") else { throw .malformedOffer }
      }
    }
    return offers
  }
}

private struct ExtensionReader {
  private let text: [UInt8]
  private var position = 0

  init(_ value: String) { text = Array(value.utf8) }

  var isAtEnd: Bool { position == text.count }

  private var next: UInt8? { position < text.count ? text[position] : nil }

  mutating func skipWhitespace() {
    while let byte = next, HTTPSyntax.isWhitespace(byte) { position &+= 1 }
  }

  mutating func take(_ mark: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: mark) else { return false }
    position &+= 1
    return true
  }

  mutating func readOffer() throws(HTTPError) -> ExtensionOffer {
    var offer = ExtensionOffer(name: try readToken())
    skipWhitespace()
    while take(";") {
      skipWhitespace()
      let name = try readToken()
      skipWhitespace()
      var value: String?
      if take("=") {
        skipWhitespace()
        value = next == UInt8(ascii: "\"") ? try readQuoted() : try readToken()
        skipWhitespace()
      }
      offer.parameters.append(.init(name: name, value: value))
    }
    return offer
  }

  private mutating func readToken() throws(HTTPError) -> String {
    let start = position
    while let byte = next, HTTPSyntax.isTokenByte(byte) { position &+= 1 }
    guard position > start else { throw .malformedOffer }
    return String(decoding: text[start..<position], as: UTF8.self)
  }

  private mutating func readQuoted() throws(HTTPError) -> String {
    position &+= 1
    var value: [UInt8] = []
    while var byte = next {
      position &+= 1
      if byte == UInt8(ascii: "\"") {
        guard !value.isEmpty else { break }
        return String(decoding: value, as: UTF8.self)
      }
      if byte == UInt8(ascii: "\\") {
        guard let escaped = next else { break }
        byte = escaped
        position &+= 1
      }
      guard HTTPSyntax.isTokenByte(byte) else { break }
      value.append(byte)
    }
    throw .malformedOffer
  }
}
