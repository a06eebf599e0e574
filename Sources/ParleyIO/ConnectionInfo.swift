public import ParleyWebSocket

/// What both ends know of a connection before its first message.
public struct ConnectionInfo: Hashable, Sendable {
  /// This end's address; `nil` if the system does not say.
  public let localAddress: SocketAddress?
  /// The other end's address; `nil` if the system does not say.
  public let peerAddress: SocketAddress?
  /// What the TLS handshake agreed on; `nil` without TLS.
  public let tls: TLSParameters?
  /// The channel binding `tls-exporter` (RFC 9266), 32 bytes; `nil` without TLS.
  public let tlsExporter: [UInt8]?
  /// The certificate that the peer has proven itself with; `nil` if it showed none.
  ///
  /// At a server, only if ``TLSServerConfiguration/clientCertificates`` asks for one, and never one that its
  /// authorities do not vouch for.
  public let peerCertificate: PeerCertificate?

  /// What a TLS handshake agreed on.
  public struct TLSParameters: Hashable, Sendable {
    /// The protocol version, such as `TLSv1.3`.
    public let version: String
    /// The key exchange group, such as `X25519MLKEM768`.
    public let group: String
    /// The protocol spoken over TLS (ALPN), such as `http/1.1`; `nil` if none was agreed.
    public let applicationProtocol: String?
    /// Whether a ticket of an earlier connection took the place of the server's signature.
    public let isResumed: Bool
  }

  init(fd: CInt, tls: TLSSession?) {
    localAddress = Descriptor.address(of: fd, isPeer: false)
    peerAddress = Descriptor.address(of: fd, isPeer: true)
    self.tls = tls?.parameters
    tlsExporter = tls?.exporter()
    peerCertificate = tls?.peerCertificate()
  }
}
