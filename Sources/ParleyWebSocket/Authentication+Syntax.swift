/// `Authorization` and `WWW-Authenticate` (RFC 9110 section 11), as far as they are used here.
enum AuthenticationSyntax {
  /// Longer values are not looked at.
  static let maximumByteCount = 4096

  /// The scheme in lower case, and what follows it after one or more spaces.
  static func split(_ value: String) -> (scheme: String, rest: Substring) {
    guard value.utf8.count <= maximumByteCount else { return ("", "") }
    let scheme = value.prefix { $0 != " " }
    return (scheme.lowercased(), value[scheme.endIndex...].drop { $0 == " " })
  }

  /// Parameters `name="value"` with commas between them; `nil` for another form, a name that is there twice, or a
  /// value with a quotation mark or backslash in it.
  static func parameters(_ text: Substring) -> [String: Substring]? {
    var found: [String: Substring] = [:]
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let part = part.trimmingWhitespace()
      guard let equals = part.firstIndex(of: "=") else { return nil }
      let name = part[..<equals].lowercased()
      var value = part[part.index(after: equals)...]
      guard HTTPSyntax.isToken(name), value.utf8.count >= 2, value.first == "\"", value.last == "\"" else { return nil }
      value = value.dropFirst().dropLast()
      guard !value.contains(where: { $0 == "\"" || $0 == "\\" }), found[name] == nil else { return nil }
      found[name] = value
    }
    return found
  }
}
