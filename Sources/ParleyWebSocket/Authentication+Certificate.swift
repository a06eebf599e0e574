internal import ParleyCrypto
internal import ParleyWire

/// Client certificates and whom each is for.
///
/// TLS has verified the certificate and its purpose; this says what it means here.
public struct CertificateGrants: Hashable, Sendable {
  /// What a certificate is known by.
  public enum Pattern: Hashable, Sendable {
    /// SHA-256 of the whole certificate: a renewed one is another.
    case fingerprint([UInt8])
    /// SHA-256 of its `SubjectPublicKeyInfo`: the same for as long as the key is.
    case publicKeyHash([UInt8])
    /// A DNS name among the alternative names, compared without case.
    case dnsName(String)
    /// A URI among the alternative names, compared exactly.
    case uri(String)
    /// An e-mail address among the alternative names, compared exactly.
    case emailAddress(String)
  }

  /// One certificate, or several of one pattern, that lets in.
  public struct Grant: Hashable, Sendable {
    /// What it is known by.
    public var pattern: Pattern
    /// Who comes in with it.
    public var subject: String
    /// What that client may do.
    public var scopes: Set<String>

    /// Describes a certificate.
    public init(_ pattern: Pattern, subject: String, scopes: Set<String>) {
      self.pattern = pattern
      self.subject = subject
      self.scopes = scopes
    }
  }

  private let grants: [Pattern: Grant]

  /// Lets these in; where two have one pattern, the first counts.
  public init(_ grants: [Grant]) {
    self.grants = Dictionary(grants.map { (Self.normal($0.pattern), $0) }) { first, _ in first }
  }

  /// SHA-256 of a `SubjectPublicKeyInfo` in DER.
  public static func hash(publicKey: [UInt8]) -> [UInt8] { SHA256.hash(publicKey) }

  func identity(
    of certificate: PeerCertificate, now: UnixNanoseconds
  ) throws(AuthenticationError) -> ClientIdentity {
    // The nearest description first.
    let patterns =
      [.fingerprint(certificate.fingerprint), .publicKeyHash(Self.hash(publicKey: certificate.publicKey))]
      + certificate.uris.map(Pattern.uri) + certificate.dnsNames.map(Pattern.dnsName)
      + certificate.emailAddresses.map(Pattern.emailAddress)
    guard let grant = patterns.lazy.compactMap({ grants[Self.normal($0)] }).first else { throw .unknownCertificate }
    guard now <= certificate.notAfter else { throw .expiredCertificate }
    let proof = ClientIdentity.Proof.certificate(fingerprint: certificate.fingerprint)
    return ClientIdentity(subject: grant.subject, scopes: grant.scopes, proof: proof)
  }

  private static func normal(_ pattern: Pattern) -> Pattern {
    if case .dnsName(let name) = pattern { .dnsName(name.lowercased()) } else { pattern }
  }
}
