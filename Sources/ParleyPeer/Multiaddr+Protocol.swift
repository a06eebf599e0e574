import ParleyWire

extension Multiaddr {
  /// The protocols that an address is read with: those of libp2p's transports and of relays.
  ///
  /// The numbers are those of the multicodec table.
  public enum `Protocol`: UInt64, Hashable, Sendable, CaseIterable {
    case ip4 = 0x04
    case tcp = 0x06
    case ip6 = 0x29
    case dns = 0x35
    case dns4 = 0x36
    case dns6 = 0x37
    case dnsaddr = 0x38
    case udp = 0x0111
    case webrtcDirect = 0x0118
    case webrtc = 0x0119
    case p2pCircuit = 0x0122
    case p2p = 0x01A5
    case https = 0x01BB
    case tls = 0x01C0
    case sni = 0x01C1
    case noise = 0x01C6
    case quic = 0x01CC
    case quicV1 = 0x01CD
    case webtransport = 0x01D1
    case certhash = 0x01D2
    case ws = 0x01DD
    case wss = 0x01DE
    case http = 0x01E0
  }
}

extension Multiaddr.`Protocol` {
  /// What follows the number of a protocol.
  enum Size: Hashable, Sendable {
    case none
    case fixed(Int)
    /// A length, and as many bytes.
    case prefixed
  }

  /// The name in the text form.
  public var name: String {
    switch self {
    case .ip4: "ip4"
    case .tcp: "tcp"
    case .ip6: "ip6"
    case .dns: "dns"
    case .dns4: "dns4"
    case .dns6: "dns6"
    case .dnsaddr: "dnsaddr"
    case .udp: "udp"
    case .webrtcDirect: "webrtc-direct"
    case .webrtc: "webrtc"
    case .p2pCircuit: "p2p-circuit"
    case .p2p: "p2p"
    case .https: "https"
    case .tls: "tls"
    case .sni: "sni"
    case .noise: "noise"
    case .quic: "quic"
    case .quicV1: "quic-v1"
    case .webtransport: "webtransport"
    case .certhash: "certhash"
    case .ws: "ws"
    case .wss: "wss"
    case .http: "http"
    }
  }

  private static let named = Dictionary(uniqueKeysWithValues: allCases.map { (Array($0.name.utf8), $0) })

  /// The protocol of a name; `ipfs` is an old one of `p2p`.
  init?(name: String) {
    guard let found = Self.named[Array(name.utf8)] ?? (name == "ipfs" ? .p2p : nil) else { return nil }
    self = found
  }

  var size: Size {
    switch self {
    case .ip4: .fixed(4)
    case .ip6: .fixed(16)
    case .tcp, .udp: .fixed(2)
    case .dns, .dns4, .dns6, .dnsaddr, .sni, .p2p, .certhash: .prefixed
    case .webrtcDirect, .webrtc, .p2pCircuit, .https, .tls, .noise, .quic, .quicV1, .webtransport, .ws, .wss, .http:
      .none
    }
  }

  /// The binary form of a value; `nil` for text that is none.
  func bytes(_ text: String) -> [UInt8]? {
    switch self {
    case .ip4: IPText.v4(text)
    case .ip6: IPText.v6(text)
    case .tcp, .udp: Self.port(text)
    case .dns, .dns4, .dns6, .dnsaddr, .sni: Self.isName(Array(text.utf8)) ? Array(text.utf8) : nil
    case .p2p: (try? PeerID(parsing: text))?.bytes
    case .certhash: Self.certificateHash(text)
    case .webrtcDirect, .webrtc, .p2pCircuit, .https, .tls, .noise, .quic, .quicV1, .webtransport, .ws, .wss, .http:
      nil
    }
  }

  /// The text form of a value; `nil` for bytes that are none, empty where the protocol has no values.
  func text(_ bytes: [UInt8]) -> String? {
    switch self {
    case .ip4: bytes.count == 4 ? IPText.v4(bytes) : nil
    case .ip6: bytes.count == 16 ? IPText.v6(bytes) : nil
    case .tcp, .udp: bytes.count == 2 ? String(Int(bytes[0]) << 8 | Int(bytes[1])) : nil
    case .dns, .dns4, .dns6, .dnsaddr, .sni: Self.isName(bytes) ? String(decoding: bytes, as: UTF8.self) : nil
    case .p2p: (try? PeerID(bytes: bytes))?.description
    case .certhash: Self.isMultihash(bytes) ? Multibase.encode(bytes, as: .base64URL) : nil
    case .webrtcDirect, .webrtc, .p2pCircuit, .https, .tls, .noise, .quic, .quicV1, .webtransport, .ws, .wss, .http:
      bytes.isEmpty ? "" : nil
    }
  }

  /// A decimal number up to 65,535 without superfluous zeros.
  private static func port(_ text: String) -> [UInt8]? {
    guard let number = IPText.decimal(text.utf8[...], limit: 65_535) else { return nil }
    return [UInt8(number >> 8), UInt8(number & 0xFF)]
  }

  /// Whether the bytes are a host name as the DNS takes it.
  ///
  /// Labels of 1 to 63 letters, digits, hyphens and underscores, 253 bytes in all, and perhaps a dot at the end. Other
  /// scripts come as A-labels (RFC 5890).
  private static func isName(_ bytes: [UInt8]) -> Bool {
    let name = bytes.last == UInt8(ascii: ".") ? bytes.dropLast() : bytes[...]
    guard (1...253).contains(name.count) else { return false }
    return name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
      (1...63).contains(label.count) && label.allSatisfy(isNameByte)
    }
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
      true
    case _: false
    }
  }

  /// A multihash as multibase, of which `u`, `z` and `b` are read.
  private static func certificateHash(_ text: String) -> [UInt8]? {
    let bytes =
      text.utf8.first == UInt8(ascii: "b")
      ? Base32.decode(text.dropFirst(), limit: 256) : try? Multibase.decode(text, limit: 256)
    return bytes.flatMap { isMultihash($0) ? $0 : nil }
  }

  /// A number for the function, one for the length, and as many bytes: at least one.
  private static func isMultihash(_ bytes: [UInt8]) -> Bool {
    guard let function = try? Varint.decode(Array(bytes.prefix(9))),
      let count = try? Varint.decode(Array(bytes.dropFirst(function.byteCount).prefix(9)))
    else {
      return false
    }
    return count.value > 0 && count.value == UInt64(bytes.count - function.byteCount - count.byteCount)
  }
}
