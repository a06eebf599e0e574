/// did:web: the document is a file on somebody's web server.
///
/// Source: the did:web method specification, W3C Credentials Community Group. It trusts DNS, the certificate and
/// the server, and has no history.
public enum DIDWeb {
  /// Where the document of a did:web is: always HTTPS.
  ///
  /// - Throws: ``IdentityError/unsupportedMethod(_:)`` for another method.
  public static func url(for did: DID) throws(IdentityError) -> String {
    guard did.method == .web, let parts = parts(String(did.methodSpecificID)) else {
      throw .unsupportedMethod(IdentityError.cut(did.string))
    }
    let port = parts.port.map { ":" + $0 } ?? ""
    let path = parts.path.isEmpty ? [".well-known"] : parts.path
    return "https://" + parts.host + port + "/" + path.joined(separator: "/") + "/did.json"
  }

  /// The document of a did:web from what was fetched at its ``url(for:)``.
  ///
  /// - Throws: what ``DIDDocument/init(parsing:for:)`` does.
  public static func document(_ bytes: [UInt8], for did: DID) throws(IdentityError) -> DIDDocument {
    guard did.method == .web else { throw .unsupportedMethod(IdentityError.cut(did.string)) }
    return try DIDDocument(parsing: bytes, for: did)
  }

  /// Whether this is the method-specific id of a did:web in the one spelling that Parley accepts.
  static func isWellFormed(_ id: String) -> Bool { parts(id) != nil }

  private static func parts(_ id: String) -> (host: String, port: String?, path: [String])? {
    let segments = id.split(separator: ":", omittingEmptySubsequences: false)
    guard let authority = segments.first, let (host, port) = authorityParts(authority) else { return nil }
    let path = segments.dropFirst().map(String.init)
    let isPath = path.allSatisfy { segment in
      !segment.isEmpty && segment != "." && segment != ".."
        && segment.utf8.allSatisfy { DID.isAlphanumeric($0) || ".-_".utf8.contains($0) }
    }
    return isPath ? (host, port, path) : nil
  }

  /// A host of lower-case DNS labels, the last of which is no number (an IPv4 address would end in one), and a port.
  private static func authorityParts(_ text: Substring) -> (host: String, port: String?)? {
    let bytes = Array(text.utf8)
    let host = bytes.prefix { $0 != UInt8(ascii: "%") }
    let rest = bytes.dropFirst(host.count)
    let labels = host.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    let areLabels = labels.allSatisfy { label in
      (1...63).contains(label.count) && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
        && label.allSatisfy { DID.isLowerAlphanumeric($0) || $0 == UInt8(ascii: "-") }
    }
    guard areLabels, host.count <= 253, let last = labels.last, !last.allSatisfy(DID.isDigit) else { return nil }
    let name = String(decoding: host, as: UTF8.self)
    if rest.isEmpty { return (name, nil) }
    guard rest.starts(with: "%3A".utf8) else { return nil }
    let port = String(decoding: rest.dropFirst(3), as: UTF8.self)
    // The round trip refuses leading zeros and signs.
    guard let number = UInt16(port), number > 0, String(number) == port else { return nil }
    return (name, port)
  }
}
