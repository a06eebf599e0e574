/// A certificate chain and its private key, as files in PEM.
public struct TLSIdentity: Hashable, Sendable {
  /// The certificate, then those that lead to the root.
  public var certificateFile: String
  /// The certificate's key, not encrypted.
  public var privateKeyFile: String

  /// Names the files; nothing is read yet.
  public init(certificateFile: String, privateKeyFile: String) {
    self.certificateFile = certificateFile
    self.privateKeyFile = privateKeyFile
  }
}

/// The oldest version of TLS that is spoken.
public enum TLSVersion: Hashable, Sendable {
  /// TLS 1.2 (RFC 5246) too: with ECDHE, an AEAD cipher and the extended master secret, and without renegotiation or
  /// resumption.
  case tls12
  /// TLS 1.3 (RFC 8446) only.
  case tls13
}

/// Whether a server asks for a certificate of the client, and whom it believes.
public enum TLSClientCertificates: Hashable, Sendable {
  /// It does not ask.
  case none
  /// A client may show one. One that the authorities of the file (PEM) do not vouch for ends the handshake.
  case optional(authorityFile: String)
  /// A client must show one that the authorities of the file (PEM) vouch for.
  case required(authorityFile: String)

  var authorityFile: String? {
    switch self {
    case .none: nil
    case .optional(let file), .required(let file): file
    }
  }
}

/// How a server speaks TLS.
public struct TLSServerConfiguration: Hashable, Sendable {
  /// The server's certificates.
  ///
  /// A client that asks for a name gets the first whose DNS names have it, exactly or by a wildcard for one label;
  /// any other client gets the first. There is at least one.
  public var identities: [TLSIdentity]
  /// The oldest version spoken.
  public var minimumVersion = TLSVersion.tls13
  /// The protocols spoken over TLS (ALPN, RFC 7301), the preferred first; empty if the server does not care.
  ///
  /// A client that offers others only is refused; one that offers none is not.
  public var applicationProtocols = ["http/1.1"]
  /// Whether clients show certificates.
  public var clientCertificates = TLSClientCertificates.none
  /// Whether clients may resume a session with a ticket, so that the next handshake needs no signature.
  ///
  /// Off by default: every connection makes a full handshake. With ``clientCertificates`` there are never any: a
  /// certificate is verified each time. No data is ever taken before the handshake is complete (0-RTT).
  public var issuesTickets = false

  /// A server with these certificates; the first is for clients that ask for no name, or for one that none has.
  public init(identities: [TLSIdentity]) { self.identities = identities }
}

/// How a client speaks TLS.
public struct TLSClientConfiguration: Hashable, Sendable {
  /// The authorities to trust, in PEM, or `nil` for the system's.
  public var authorityFile: String?
  /// Whether the system's authorities are trusted beside those of the file.
  public var addsSystemTrust = false
  /// The client's own certificate, for servers that ask for one.
  public var identity: TLSIdentity?
  /// The oldest version spoken.
  public var minimumVersion = TLSVersion.tls13
  /// The protocols offered (ALPN), the preferred first; empty to offer none.
  public var applicationProtocols = ["http/1.1"]
  /// Whether tickets are kept, the newest for each host, to resume a session with the next time.
  ///
  /// Off by default: every connection makes a full handshake. Each ticket is used once.
  public var keepsTickets = false

  /// A client that trusts the system's authorities or, if a file is given, those in it and no other.
  public init(authorityFile: String? = nil) { self.authorityFile = authorityFile }
}
