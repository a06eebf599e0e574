/// What both ends know of a connection before its first message.
public struct ConnectionInfo: Hashable, Sendable {
  /// This end's address; `nil` if the system does not say.
  public let localAddress: SocketAddress?
  /// The other end's address; `nil` if the system does not say.
  public let peerAddress: SocketAddress?
  /// TLS: version and key exchange group, such as `TLSv1.3` and `X25519MLKEM768`; `nil` without TLS.
  public let tls: TLSParameters?
  /// The channel binding `tls-exporter` (RFC 9266), 32 bytes; `nil` without TLS.
  public let tlsExporter: [UInt8]?

  /// What a TLS handshake agreed on.
  public struct TLSParameters: Hashable, Sendable {
    /// The protocol version.
    public let version: String
    /// The key exchange group.
    public let group: String
  }

  init(fd: CInt, tls: TLSSession?) {
    localAddress = Descriptor.address(of: fd, isPeer: false)
    peerAddress = Descriptor.address(of: fd, isPeer: true)
    self.tls = tls.map { TLSParameters(version: $0.parameters.version, group: $0.parameters.group) }
    tlsExporter = tls?.exporter()
  }
}
