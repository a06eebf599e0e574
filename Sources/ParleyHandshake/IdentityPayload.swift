import ParleyCrypto
import ParleyIdentity
import ParleyWire

/// The identity payload of messages 2 and 3: who sends it, and a signature over this very handshake.
///
///     u8 1 ‖ u8 role ‖ LP(did) ‖ LP(keyFragment) ‖ documentHash[32] ‖ u8 suite ‖ LP(ed25519 signature)
///       ‖ LP(ML-DSA-65 signature) ‖ LP(document) ‖ LP(extensions) ‖ zeros
///
/// The zeros fill it to the least of ``bucketByteCounts`` that holds it.
struct IdentityPayload: Hashable {
  static let version: UInt8 = 1
  static let didByteLimit = DID.characterLimit
  static let keyFragmentByteLimit = PeerIdentity.keyFragmentLimit
  static let extensionsByteLimit = 256
  static let bucketByteCounts = [1024, 2048, 4096, 8192]

  var role: Role
  var did: DID
  var keyFragment: String
  var documentHash: [UInt8]
  var signature: IdentitySignature
  /// The input document of a did:peer:4, or nothing.
  var document: [UInt8]
  /// Bytes that the signature covers and this version gives no meaning.
  var extensions: [UInt8] = []

  // MARK: Coding

  /// The payload with its padding.
  var encoded: [UInt8] {
    var bytes: [UInt8] = [Self.version, role.rawValue]
    bytes.appendLengthPrefixed(Array(did.string.utf8))
    bytes.appendLengthPrefixed(Array(keyFragment.utf8))
    bytes += documentHash
    bytes.append(signature.suite.rawValue)
    bytes.appendLengthPrefixed(signature.ed25519)
    bytes.appendLengthPrefixed(signature.mldsa65 ?? [])
    bytes.appendLengthPrefixed(document)
    bytes.appendLengthPrefixed(extensions)
    guard let bucket = Self.bucket(for: bytes.count) else {
      preconditionFailure("an identity's parts fit the largest payload")
    }
    bytes.append(contentsOf: repeatElement(0, count: bucket - bytes.count))
    return bytes
  }

  /// Reads a payload of the side that has `role`; of `expected` if all is well, whose DID need not be parsed again.
  init(_ bytes: [UInt8], from role: Role, expected: DID? = nil) throws(HandshakeError) {
    guard Self.bucketByteCounts.contains(bytes.count) else { throw .malformedIdentity(.padding) }
    var reader = ByteReader(bytes.rawSpan)
    guard reader.readUInt8() == Self.version else { throw .malformedIdentity(.version) }
    guard let found = reader.readUInt8() else { throw .malformedIdentity(.role) }
    guard found == role.rawValue else { throw .wrongRole(found) }
    self.role = role
    did = try Self.did(reader.readLengthPrefixed(), expected: expected)
    keyFragment = try Self.keyFragment(reader.readLengthPrefixed())
    guard let hash = reader.readBytes(count: SHA256.byteCount) else { throw .malformedIdentity(.documentHash) }
    documentHash = hash
    guard let number = reader.readUInt8(), let suite = SignatureSuite(rawValue: number) else {
      throw .malformedIdentity(.suite)
    }
    signature = try Self.signature(suite, reader.readLengthPrefixed(), reader.readLengthPrefixed())
    guard let document = reader.readLengthPrefixed(), document.isEmpty || did.method == .peer4 else {
      throw .malformedIdentity(.document)
    }
    self.document = document
    guard let extensions = reader.readLengthPrefixed(), extensions.count <= Self.extensionsByteLimit else {
      throw .malformedIdentity(.extensions)
    }
    self.extensions = extensions
    guard Self.bucket(for: reader.consumed) == bytes.count,
      ConstantTime.isZero(bytes.rawSpan.extracting(droppingFirst: reader.consumed))
    else {
      throw .malformedIdentity(.padding)
    }
  }

  init(
    role: Role, did: DID, keyFragment: String, documentHash: [UInt8], signature: IdentitySignature, document: [UInt8]
  ) {
    self.role = role
    self.did = did
    self.keyFragment = keyFragment
    self.documentHash = documentHash
    self.signature = signature
    self.document = document
  }

  private static func bucket(for count: Int) -> Int? { bucketByteCounts.first { $0 >= count } }

  private static func did(_ bytes: [UInt8]?, expected: DID?) throws(HandshakeError) -> DID {
    if let bytes, let expected, !expected.isLongForm, expected.string.utf8.elementsEqual(bytes) { return expected }
    guard let bytes, bytes.count <= didByteLimit, let text = String(validating: bytes, as: UTF8.self),
      let did = try? DID(parsing: text), !did.isLongForm, did.string.utf8.elementsEqual(bytes)
    else { throw .malformedIdentity(.did) }
    return did
  }

  private static func keyFragment(_ bytes: [UInt8]?) throws(HandshakeError) -> String {
    guard let bytes, (1...keyFragmentByteLimit).contains(bytes.count),
      let text = String(validating: bytes, as: UTF8.self)
    else { throw .malformedIdentity(.keyFragment) }
    return text
  }

  private static func signature(
    _ suite: SignatureSuite, _ ed25519: [UInt8]?, _ mldsa65: [UInt8]?
  ) throws(HandshakeError) -> IdentitySignature {
    guard let ed25519, ed25519.count == Ed25519.signatureByteCount else { throw .malformedIdentity(.ed25519Signature) }
    guard let mldsa65,
      let signature = try? IdentitySignature(
        suite: suite, ed25519: ed25519, mldsa65: mldsa65.isEmpty ? nil : mldsa65)
    else { throw .malformedIdentity(.mldsa65Signature) }
    return signature
  }
}

/// What the signatures of an identity payload cover: the whole handshake up to it, and both parties.
struct IdentityStatement {
  /// The context string of the ML-DSA signature.
  static let context = "parley/psc1"

  /// The handshake hash just before the payload is encrypted.
  var h: [UInt8]
  /// The signer's static key in this handshake.
  var s: [UInt8]
  /// Whom the signer speaks to: the responder's DID in message 3, nobody in message 2.
  var audience: DID?

  /// The bytes to sign.
  func bytes(
    role: Role, did: DID, keyFragment: String, documentHash: [UInt8], suite: SignatureSuite, extensions: [UInt8]
  ) -> [UInt8] {
    var bytes = Array("parley/psc1 identity".utf8) + [0, role.rawValue] + h + s
    bytes.appendLengthPrefixed(Array(did.string.utf8))
    bytes.appendLengthPrefixed(Array((did.string + "#" + keyFragment).utf8))
    bytes += documentHash
    bytes.append(suite.rawValue)
    bytes.appendLengthPrefixed(Array((audience?.string ?? "").utf8))
    bytes.appendLengthPrefixed(extensions)
    return bytes
  }

  /// The payload by which `signer` makes this statement.
  ///
  /// - Parameters:
  ///   - signer: Who signs.
  ///   - role: The signer's role.
  ///   - documentHash: What stands for the signer's document.
  ///   - sendsDocument: Whether the input document of a did:peer:4 goes along.
  /// - Returns: The payload to encode.
  func signed(by signer: any Signer, role: Role, documentHash: [UInt8], sendsDocument: Bool) -> IdentityPayload {
    let identity = signer.identity
    let message = bytes(
      role: role, did: identity.did, keyFragment: identity.keyFragment, documentHash: documentHash,
      suite: identity.suite, extensions: [])
    return IdentityPayload(
      role: role, did: identity.did, keyFragment: identity.keyFragment, documentHash: documentHash,
      signature: signer.sign(message, context: Self.context),
      document: sendsDocument && identity.did.method == .peer4 ? identity.documentBytes : [])
  }

  /// Checks that `payload` is this statement, made by `peer` (section 4).
  ///
  /// - Returns: `peer` with the key that signed.
  func verify(
    _ payload: IdentityPayload, by peer: PeerIdentity, documentHash: [UInt8]
  ) throws(HandshakeError) -> PeerIdentity {
    guard payload.did.hasSameBytes(as: peer.did) else {
      throw .wrongDID(found: HandshakeError.cut(Array(payload.did.string.utf8)))
    }
    guard ConstantTime.equal(payload.documentHash, documentHash),
      payload.document.isEmpty || payload.document == peer.documentBytes
    else { throw .documentMismatch }
    var peer = peer
    if !payload.keyFragment.hasSameBytes(as: peer.keyFragment) {
      do throws(IdentityError) {
        peer = try PeerIdentity(document: peer.document, keyFragment: payload.keyFragment)
      } catch {
        throw .unusableKey(error)
      }
    }
    guard payload.signature.suite == peer.suite else { throw .wrongSuite(found: payload.signature.suite.rawValue) }
    let message = bytes(
      role: payload.role, did: payload.did, keyFragment: payload.keyFragment, documentHash: payload.documentHash,
      suite: payload.signature.suite, extensions: payload.extensions)
    guard peer.isValid(payload.signature, for: message, context: Self.context) else { throw .invalidSignature }
    return peer
  }
}
