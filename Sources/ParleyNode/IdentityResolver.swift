internal import Foundation
public import ParleyIO
public import ParleyIdentity
internal import ParleyWebSocket
internal import ParleyWire

/// Finds the document behind a DID, and holds it to the rules of docs/protocol/identity.md.
///
/// did:key and the long form of did:peer:4 need nothing but themselves. A did:web is fetched over HTTPS: no redirects,
/// 64 KiB at most, three seconds, public addresses only.
public struct IdentityResolver: Sendable {
  /// Certificates to trust for did:web beside the system's; a PEM file.
  public var certificateFile: String?
  /// Whether did:web documents may come from private addresses.
  public var allowsPrivateAddresses: Bool

  /// Creates a resolver.
  public init(certificateFile: String? = nil, allowsPrivateAddresses: Bool = false) {
    self.certificateFile = certificateFile
    self.allowsPrivateAddresses = allowsPrivateAddresses
  }

  /// Resolves a DID as a person gives it, on a loop of its own.
  ///
  /// - Throws: ``NodeError/resolution(_:_:)``.
  public func resolve(_ text: String) async throws(NodeError) -> PeerIdentity {
    let did = try NodeIdentity.parseDID(text)
    guard did.method == .web else { return try local(did) }
    let loop: EventLoop
    do {
      loop = try EventLoop()
    } catch {
      throw .resolution(did.string, "\(error)")
    }
    defer { loop.shutDown() }
    return try await resolve(did, on: loop)
  }

  /// Resolves a DID.
  ///
  /// - Parameters:
  ///   - did: The DID, in either form.
  ///   - documentBytes: What the peer brought along for a did:peer:4 in its short form.
  ///   - keyFragment: The key that is to be used; `nil` for the first.
  ///   - loop: Where a fetch runs.
  /// - Returns: Who it is, under the DID's short form.
  /// - Throws: ``NodeError/resolution(_:_:)``.
  public func resolve(
    _ did: DID, documentBytes: [UInt8]? = nil, keyFragment: String? = nil, on loop: EventLoop
  ) async throws(NodeError) -> PeerIdentity {
    guard did.method == .web else {
      return try local(did, documentBytes: documentBytes, keyFragment: keyFragment)
    }
    let bytes = try await fetch(did, on: loop)
    return try local(did, documentBytes: bytes, keyFragment: keyFragment)
  }

  private func local(
    _ did: DID, documentBytes: [UInt8]? = nil, keyFragment: String? = nil
  ) throws(NodeError) -> PeerIdentity {
    do {
      return try LocalResolver.resolve(did, documentBytes: documentBytes, keyFragment: keyFragment)
    } catch {
      throw .resolution(did.string, "\(error)")
    }
  }

  private func fetch(_ did: DID, on loop: EventLoop) async throws(NodeError) -> [UInt8] {
    var options = HTTPSFetcher.Options()
    options.allowsPrivateAddresses = allowsPrivateAddresses
    options.authorityFile = certificateFile
    do {
      let text = try DIDWeb.url(for: did)
      guard let url = WebURL(text) else { throw NodeError.resolution(did.string, "\(text) is not a URL") }
      return try await HTTPSFetcher(loop: loop, options: options).get(url)
    } catch let error as NodeError {
      throw error
    } catch {
      throw .resolution(did.string, "\(error)")
    }
  }
}
