internal import Foundation
internal import ParleyIO
public import ParleyIdentity

/// How documents behind DIDs may be fetched.
///
/// did:key, did:jwk and did:peer need nothing but themselves. The document of a did:web and the history of a did:webvh are
/// fetched over HTTPS: no redirects, 64 KiB a file at most, three seconds.
public struct IdentityResolver: Sendable {
  /// Certificates to trust beside the system's; a PEM file.
  public var certificateFile: String?
  /// Whether files may come from private addresses.
  public var allowsPrivateAddresses: Bool

  /// Creates the settings.
  public init(certificateFile: String? = nil, allowsPrivateAddresses: Bool = false) {
    self.certificateFile = certificateFile
    self.allowsPrivateAddresses = allowsPrivateAddresses
  }

  /// Resolves a DID as a person gives it, on a loop of its own.
  ///
  /// - Throws: ``NodeError/resolution(_:_:)``.
  public func resolve(_ text: String) async throws(NodeError) -> DIDResolution {
    try await resolve(DIDResolver.Request(NodeIdentity.parseDID(text)))
  }

  /// Resolves on a loop of its own.
  func resolve(_ request: DIDResolver.Request) async throws(NodeError) -> DIDResolution {
    let loop: EventLoop
    do {
      loop = try EventLoop()
    } catch {
      throw .resolution(request.did.string, "\(error)")
    }
    defer { loop.shutDown() }
    return try await DocumentResolver(loop: loop, settings: self).resolve(request)
  }
}

extension DIDResolution {
  /// Whose keys may speak for the DID.
  ///
  /// - Throws: ``NodeError/resolution(_:_:)``.
  public func identity(keyFragment: String? = nil) throws(NodeError) -> PeerIdentity {
    do {
      return try peerIdentity(keyFragment: keyFragment)
    } catch {
      throw .resolution(document.id.string, "\(error)")
    }
  }
}
