/// The header fields of a head, in the order of the wire.
public struct HTTPFields: Hashable, Sendable {
  /// One field line.
  public struct Field: Hashable, Sendable {
    /// The name in lower case: a token.
    public let name: String
    /// The value without the white space around it.
    ///
    /// Bytes beyond ASCII read as Latin-1.
    public let value: String
  }

  /// Every field line.
  public private(set) var all: [Field] = []

  /// Creates an empty list.
  public init() {}

  /// The value of the first field of this name (in lower case), or `nil`.
  public subscript(name: String) -> String? {
    all.first { $0.name == name }?.value
  }

  /// Every value of this name (in lower case).
  public func values(_ name: String) -> [String] {
    all.filter { $0.name == name }.map(\.value)
  }

  /// The value of a field that may be there at most once; `nil` when it is not.
  public func single(_ name: String) throws(HTTPError) -> String? {
    var value: String?
    for field in all where field.name == name {
      guard value == nil else { throw .duplicateField(name) }
      value = field.value
    }
    return value
  }

  /// The comma-separated elements of every field of this name, without white space and empty elements
  /// (RFC 9110 section 5.6.1).
  public func list(_ name: String) -> [Substring] {
    var elements: [Substring] = []
    for field in all where field.name == name {
      for element in field.value.utf8.split(separator: UInt8(ascii: ",")) {
        let trimmed = Substring(element).trimmingWhitespace()
        if !trimmed.isEmpty { elements.append(trimmed) }
      }
    }
    return elements
  }

  /// Whether the list of this name has this token (in lower case), compared without case.
  public func list(_ name: String, contains token: String) -> Bool {
    list(name).contains { $0.lowercased() == token }
  }

  mutating func append(name: String, value: String) {
    all.append(Field(name: name, value: value))
  }

  // MARK: Reading one line

  /// Reads `name ":" OWS value OWS` strictly (RFC 9112 section 5).
  mutating func receive(line: ArraySlice<UInt8>) throws(HTTPError) {
    guard let first = line.first, first != UInt8(ascii: " "), first != UInt8(ascii: "\t") else { throw .lineFolding }
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex else { throw .malformedField }
    let name = line[..<colon]
    guard name.allSatisfy(HTTPSyntax.isTokenByte) else { throw .malformedField }
    var value = line[(colon &+ 1)...]
    while let byte = value.first, HTTPSyntax.isWhitespace(byte) { value.removeFirst() }
    while let byte = value.last, HTTPSyntax.isWhitespace(byte) { value.removeLast() }
    var text = ""
    if value.allSatisfy({ $0 < 0x80 }) {
      text = String(decoding: value, as: UTF8.self)
    } else {
      for byte in value { text.unicodeScalars.append(Unicode.Scalar(byte)) }
    }
    append(name: String(decoding: name, as: UTF8.self).lowercased(), value: text)
  }
}

extension Substring {
  /// Without the spaces and tabs at both ends.
  func trimmingWhitespace() -> Substring {
    var text = utf8
    while let byte = text.first, HTTPSyntax.isWhitespace(byte) { text.removeFirst() }
    while let byte = text.last, HTTPSyntax.isWhitespace(byte) { text.removeLast() }
    return Substring(text)
  }
}
