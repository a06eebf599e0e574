extension SocketAddress {
  /// Whether the address is one of the public Internet: not of this machine, a private network, a link, a test or a
  /// tunnel that may lead to one (the special-purpose registries of IANA, RFC 6890).
  public var isPublic: Bool {
    isIPv6 ? Self.isPublicIPv6(bytes) : Self.isPublicIPv4(bytes)
  }

  private static func isPublicIPv4(_ a: [UInt8]) -> Bool {
    switch (a[0], a[1], a[2]) {
    case (0, _, _), (10, _, _), (127, _, _), (224...255, _, _): false
    case (100, 64...127, _), (169, 254, _), (172, 16...31, _), (192, 168, _), (198, 18...19, _): false
    case (192, 0, 0), (192, 0, 2), (192, 88, 99), (198, 51, 100), (203, 0, 113): false
    default: true
    }
  }

  private static func isPublicIPv6(_ a: [UInt8]) -> Bool {
    // ::ffff:0:0/96 and 64:ff9b::/96 carry an IPv4 address.
    if a.starts(with: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]) { return isPublicIPv4(Array(a[12...])) }
    if a.starts(with: [0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0]) { return isPublicIPv4(Array(a[12...])) }
    // Otherwise only 2000::/3, without the IETF's block, documentation and 6to4.
    guard a[0] & 0xE0 == 0x20 else { return false }
    if a[0] == 0x20, a[1] == 0x01, a[2] < 0x02 { return false }
    if a.starts(with: [0x20, 0x01, 0x0D, 0xB8]) || a.starts(with: [0x20, 0x02]) { return false }
    return !(a[0] == 0x3F && a[1] == 0xFF && a[2] < 0x10)
  }
}
