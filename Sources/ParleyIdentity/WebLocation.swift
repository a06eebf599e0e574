/// Where a did:web or a did:webvh has its files: `host[%3Aport][:path...]` in the one spelling that Parley accepts.
///
/// The host is DNS labels in lower case, the last of which is no number (an IPv4 address would end in one); the port is
/// from 1 to 65535 without leading zeros; segments of the path are letters, digits, `.` `-` `_`, and neither `.` nor `..`.
struct WebLocation {
  let host: String
  let port: String?
  let path: [String]

  /// Reads a location; `nil` for anything else.
  init?(_ text: some StringProtocol) {
    let segments = text.split(separator: ":", omittingEmptySubsequences: false)
    guard let authority = segments.first, let (host, port) = Self.authority(Array(authority.utf8)) else { return nil }
    path = segments.dropFirst().map { String($0) }
    let isPath = path.allSatisfy { segment in
      !segment.isEmpty && segment != "." && segment != ".."
        && segment.utf8.allSatisfy { DID.isAlphanumeric($0) || ".-_".utf8.contains($0) }
    }
    guard isPath else { return nil }
    self.host = host
    self.port = port
  }

  /// The URL of a file there, always HTTPS; `.well-known` stands in for an absent path.
  func url(of file: String) -> String {
    let authority = host + (port.map { ":" + $0 } ?? "")
    return (["https:/", authority] + (path.isEmpty ? [".well-known"] : path) + [file]).joined(separator: "/")
  }

  private static func authority(_ bytes: [UInt8]) -> (host: String, port: String?)? {
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
