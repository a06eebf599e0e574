public import ParleyWire

/// The certificate with which the other end of a TLS connection proved itself.
///
/// Only a certificate that an authority trusted by this end vouches for, for this purpose, is ever one of these.
public struct PeerCertificate: Hashable, Sendable {
  /// The certificate, in DER (RFC 5280 section 4.1).
  public let bytes: [UInt8]
  /// SHA-256 of ``bytes``: 32 bytes.
  public let fingerprint: [UInt8]
  /// The subject's name as RFC 4514 writes it, such as `CN=desk 7,O=Example`; may be empty.
  public let subject: String
  /// The DNS names among the subject's alternative names.
  public let dnsNames: [String]
  /// The URIs among the subject's alternative names.
  public let uris: [String]
  /// The e-mail addresses among the subject's alternative names.
  public let emailAddresses: [String]
  /// The subject's public key, in DER (`SubjectPublicKeyInfo`).
  public let publicKey: [UInt8]
  /// The last moment at which the certificate is valid.
  public let notAfter: UnixNanoseconds

  /// Gathers what a TLS library has verified.
  public init(
    bytes: [UInt8], fingerprint: [UInt8], subject: String, dnsNames: [String], uris: [String],
    emailAddresses: [String], publicKey: [UInt8], notAfter: UnixNanoseconds
  ) {
    self.bytes = bytes
    self.fingerprint = fingerprint
    self.subject = subject
    self.dnsNames = dnsNames
    self.uris = uris
    self.emailAddresses = emailAddresses
    self.publicKey = publicKey
    self.notAfter = notAfter
  }
}
