import ParleyWire

/// Why text or bytes are no multiaddr that Parley reads.
public enum MultiaddrError: Error, Hashable, Sendable {
  /// The text does not begin with `/`, or there is nothing in it.
  case malformed
  /// The text or the bytes are longer than this.
  case tooLong(limit: Int)
  /// More components than this.
  case tooManyComponents(limit: Int)
  /// A protocol of another name than those in ``Multiaddr/Protocol``: what it is followed by cannot be known.
  case unknownProtocol(String)
  /// A protocol of another number than those in ``Multiaddr/Protocol``.
  case unknownCode(UInt64)
  /// A number of the bytes is not one, or not the shortest form of it.
  case malformedNumber
  /// The address ends where the value of this protocol should be.
  case missingValue(Multiaddr.`Protocol`)
  /// The value is none of this protocol.
  case invalidValue(Multiaddr.`Protocol`)
}

/// The address of a peer: protocols from the outside in, as `/ip4/192.0.2.1/tcp/4001/ws/p2p/12D3Koo…`.
///
///     code varint │ value     a value of no fixed length has that before it, as a varint
///
/// One address has one text and one sequence of bytes: what is read in another spelling (`/ipfs/` for `/p2p/`, a peer ID as
/// a CID, `/` at the end) is written in the usual one. Source: multiformats, "multiaddr", and the table of protocols there.
public struct Multiaddr: Hashable, Sendable, CustomStringConvertible {
  /// The longest address that is read, as bytes.
  public static let byteCountLimit = 1024
  /// The longest text that is read, in bytes.
  public static let textByteCountLimit = 2048
  /// How many components an address has at most.
  public static let componentCountLimit = 16

  /// One protocol and its value.
  public struct Component: Hashable, Sendable {
    /// Which protocol.
    public let `protocol`: Protocol
    /// The value in its binary form, without a length; empty for protocols that have none.
    public let value: [UInt8]

    init(_ protocol: Protocol, _ value: [UInt8]) {
      self.protocol = `protocol`
      self.value = value
    }
  }

  /// The components, the outermost first; at least one.
  public let components: [Component]

  /// Puts together components that were read before, or made by the functions of ``Component``.
  ///
  /// - Throws: ``MultiaddrError/malformed`` for none, or a limit.
  public init(_ components: [Component]) throws(MultiaddrError) {
    guard !components.isEmpty else { throw .malformed }
    guard components.count <= Self.componentCountLimit else {
      throw .tooManyComponents(limit: Self.componentCountLimit)
    }
    self.components = components
    guard bytes.count <= Self.byteCountLimit else { throw .tooLong(limit: Self.byteCountLimit) }
  }

  /// Reads the text form.
  ///
  /// - Throws: Why it is none.
  public init(parsing text: String) throws(MultiaddrError) {
    guard text.utf8.count <= Self.textByteCountLimit else { throw .tooLong(limit: Self.textByteCountLimit) }
    var parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      .map { String(Substring($0)) }[...]
    guard parts.count > 1, parts.popFirst()?.isEmpty == true else { throw .malformed }
    // One `/` at the end says nothing.
    if parts.last?.isEmpty == true { parts.removeLast() }
    var components: [Component] = []
    while let name = parts.popFirst() {
      guard let found = Protocol(name: name) else { throw .unknownProtocol(name) }
      guard components.count < Self.componentCountLimit else {
        throw .tooManyComponents(limit: Self.componentCountLimit)
      }
      guard found.size != .none else {
        components.append(Component(found, []))
        continue
      }
      guard let value = parts.popFirst() else { throw .missingValue(found) }
      guard let bytes = found.bytes(value) else { throw .invalidValue(found) }
      components.append(Component(found, bytes))
    }
    try self.init(components)
  }

  /// Reads the binary form.
  ///
  /// - Throws: Why it is none.
  public init(bytes: [UInt8]) throws(MultiaddrError) {
    guard bytes.count <= Self.byteCountLimit else { throw .tooLong(limit: Self.byteCountLimit) }
    var rest = bytes[...]
    var components: [Component] = []
    while !rest.isEmpty {
      let code = try Self.number(&rest)
      guard let found = Protocol(rawValue: code) else { throw .unknownCode(code) }
      guard components.count < Self.componentCountLimit else {
        throw .tooManyComponents(limit: Self.componentCountLimit)
      }
      let count: UInt64
      switch found.size {
      case .none: count = 0
      case .fixed(let size): count = UInt64(size)
      case .prefixed: count = try Self.number(&rest)
      }
      guard count <= UInt64(rest.count) else { throw .missingValue(found) }
      let value = Array(rest.prefix(Int(count)))
      rest = rest.dropFirst(Int(count))
      guard found.text(value) != nil else { throw .invalidValue(found) }
      components.append(Component(found, value))
    }
    try self.init(components)
  }

  private static func number(_ rest: inout ArraySlice<UInt8>) throws(MultiaddrError) -> UInt64 {
    guard let (value, count) = try? Varint.decode(Array(rest.prefix(9))) else { throw .malformedNumber }
    rest = rest.dropFirst(count)
    return value
  }

  /// The binary form.
  public var bytes: [UInt8] { components.flatMap(\.bytes) }

  /// The text form.
  public var description: String { components.map(\.description).joined() }

  /// Who is to be found there: the peer ID at the end, if there is one.
  public var peerID: PeerID? {
    guard let last = components.last, last.protocol == .p2p else { return nil }
    return try? PeerID(bytes: last.value)
  }

  /// The same address with this peer at its end, whoever was there before.
  ///
  /// - Throws: A limit.
  public func naming(_ peer: PeerID) throws(MultiaddrError) -> Multiaddr {
    try Multiaddr((peerID == nil ? components : components.dropLast()) + [.p2p(peer)])
  }
}

extension Multiaddr.Component: CustomStringConvertible {
  /// An IPv4 address of 4 bytes or an IPv6 address of 16.
  ///
  /// - Precondition: it has as many.
  public static func ip(_ address: [UInt8]) -> Self {
    precondition(address.count == 4 || address.count == 16)
    return Self(address.count == 4 ? .ip4 : .ip6, address)
  }

  /// A TCP port.
  public static func tcp(_ port: UInt16) -> Self { Self(.tcp, [UInt8(port >> 8), UInt8(port & 0xFF)]) }

  /// WebSocket.
  public static var ws: Self { Self(.ws, []) }

  /// TLS.
  public static var tls: Self { Self(.tls, []) }

  /// A peer.
  public static func p2p(_ peer: PeerID) -> Self { Self(.p2p, peer.bytes) }

  /// The binary form.
  public var bytes: [UInt8] {
    let code = Varint.encode(self.protocol.rawValue)
    return self.protocol.size == .prefixed ? code + Varint.encode(UInt64(value.count)) + value : code + value
  }

  /// The value as text; `nil` for a protocol that has none.
  public var text: String? { self.protocol.size == .none ? nil : self.protocol.text(value) }

  /// The text form, as `/tcp/80`.
  public var description: String { "/\(self.protocol.name)" + (text.map { "/\($0)" } ?? "") }
}
