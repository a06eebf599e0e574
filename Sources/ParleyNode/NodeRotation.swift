public import Foundation
internal import ParleyCrypto
internal import ParleyIO
public import ParleyIdentity
internal import ParleyWire

/// How the owner of a did:web gives it new keys.
///
///     parley rotate            keystore.next.json: new keys; publish/: what goes to the web server
///     (publish)
///     parley rotate --finish   keystore.next.json becomes keystore.json; the old one stays as keystore.replaced-TIME.json
///
/// Source: docs/protocol/identity.md section 7.
extension NodeHome {
  /// Where `parley rotate` leaves the new keys until they are published.
  public var nextKeystoreFile: URL { folder.appending(path: "keystore.next.json") }
  /// The files to copy to the web server of a did:web.
  public var publishFolder: URL { folder.appending(path: "publish", directoryHint: .isDirectory) }

  /// Writes the document of a did:web for its owner to publish.
  ///
  /// - Throws: ``NodeError/file(_:_:)``.
  public func writeDocument(_ identity: PeerIdentity) throws(NodeError) {
    try publish(identity.documentBytes, as: "did.json")
  }

  /// Makes new keys for the did:web that lives here, and the statement of the old keys about them.
  ///
  /// Nothing changes for the node until ``finishRotation(_:)``.
  ///
  /// - Parameters:
  ///   - passphrase: The keystore's, and that of the new one.
  ///   - postQuantum: Whether there is an ML-DSA-65 key too; an identity that has one keeps one.
  /// - Returns: The identity with its new keys.
  /// - Throws: ``NodeError/rotation(_:)`` for another method, or while a rotation is under way; what
  ///   ``openSigner(passphrase:)`` does; ``NodeError/file(_:_:)``.
  public func beginRotation(passphrase: [UInt8], postQuantum: Bool) throws(NodeError) -> PeerIdentity {
    let old = try openSigner(passphrase: passphrase)
    guard old.identity.did.method == .web else {
      throw .rotation(
        "a \(old.identity.did.methodName) is made of its keys: new keys are a new DID, made with 'parley init'")
    }
    guard !FileManager.default.fileExists(atPath: nextKeystoreFile.path()) else {
      throw .rotation("one is under way: publish \(publishFolder.path()), then run 'parley rotate --finish'")
    }
    var list = RotationList()
    do {
      if let bytes = FileManager.default.contents(atPath: publishFolder.appending(path: RotationList.fileName).path()) {
        list = try RotationList(parsing: [UInt8](bytes))
      }
      let keystore = try Keystore.create(
        passphrase: SecretBytes(copying: passphrase), web: old.identity.did, endpoint: old.identity.serviceEndpoint,
        postQuantum: postQuantum || old.identity.mldsa65 != nil, cost: readKeystore().cost)
      let new = try LocalResolver.resolve(keystore.did, documentBytes: keystore.documentBytes)
      guard let time = UTCTimestamp(UnixNanoseconds.now.iso8601) else { preconditionFailure("ISO 8601 reads back") }
      list.append(try RotationStatement(signer: old, new: new, time: time))
      try write(keystore.encoded, to: nextKeystoreFile, isSecret: true)
      try publish(list.encoded, as: RotationList.fileName)
      try writeDocument(new)
      return new
    } catch let error as NodeError {
      throw error
    } catch let error as IdentityError {
      throw .keystore(error)
    } catch {
      throw .file(publishFolder.path(), "\(error)")
    }
  }

  /// Puts the new keys in the place of the old ones, once everybody can see them.
  ///
  /// The node must not run, and use the new keys from its next start on.
  ///
  /// - Parameter resolver: How the document is fetched that was published.
  /// - Returns: The identity with its new keys.
  /// - Throws: ``NodeError/rotation(_:)`` where nothing was begun, or what is published is not what was made;
  ///   ``NodeError/resolution(_:_:)``; ``NodeError/file(_:_:)``.
  public func finishRotation(_ resolver: IdentityResolver) async throws(NodeError) -> PeerIdentity {
    let old = try publicIdentity()
    guard let file = FileManager.default.contents(atPath: nextKeystoreFile.path()) else {
      throw .rotation("none was begun: run 'parley rotate'")
    }
    let new: PeerIdentity
    do {
      let keystore = try Keystore(parsing: [UInt8](file))
      new = try LocalResolver.resolve(keystore.did, documentBytes: keystore.documentBytes)
    } catch {
      throw .keystore(error)
    }
    var request = DIDResolver.Request(new.did)
    request.pinned = old
    let published = try await resolver.resolve(request)
    guard published.document.hash == new.documentHash else {
      throw .rotation("the document that is published is not \(publishFolder.path())did.json")
    }
    guard case .rotated = published.succession(of: new, from: old) else {
      throw .rotation("the statements that are published are not \(publishFolder.path())\(RotationList.fileName)")
    }
    let kept = folder.appending(path: "keystore.replaced-\(UnixNanoseconds.now.rawValue / 1_000_000_000).json")
    do {
      try FileManager.default.linkItem(at: keystoreFile, to: kept)
    } catch {
      throw .file(kept.path(), "cannot be made: \(error.localizedDescription)")
    }
    // One step: at any instant there is a keystore.
    try move(nextKeystoreFile, to: keystoreFile)
    return new
  }

  private func publish(_ bytes: [UInt8], as name: String) throws(NodeError) {
    do {
      try FileManager.default.createDirectory(at: publishFolder, withIntermediateDirectories: true)
    } catch {
      throw .file(publishFolder.path(), "cannot be created: \(error.localizedDescription)")
    }
    try write(bytes, to: publishFolder.appending(path: name), isSecret: false)
  }

  /// Writes a file beside its place and moves it there whole: it exists or it does not.
  func write(_ bytes: [UInt8], to place: URL, isSecret: Bool) throws(NodeError) {
    let draft = URL(filePath: place.path() + ".new")
    let created = FileManager.default.createFile(
      atPath: draft.path(), contents: nil, attributes: [.posixPermissions: isSecret ? 0o600 : 0o644])
    guard created else { throw .file(draft.path(), "cannot be created") }
    do {
      let handle = try FileHandle(forWritingTo: draft)
      try handle.write(contentsOf: Data(bytes))
      try handle.synchronize()
      try handle.close()
    } catch {
      throw .file(place.path(), "cannot be written: \(error.localizedDescription)")
    }
    try move(draft, to: place)
  }

  /// Moves a file over another in one step.
  private func move(_ file: URL, to place: URL) throws(NodeError) {
    do {
      try FileMove.replace(place.path(), with: file.path())
    } catch {
      throw .file(place.path(), "cannot be put in its place: \(error)")
    }
  }
}

extension DID {
  /// `did:` and the method.
  fileprivate var methodName: String { string.split(separator: ":").prefix(2).joined(separator: ":") }
}
