import ParleyCrypto

/// The `NoiseHandshakePayload` of noise-libp2p: who the sender of a Noise static key is.
///
///     1 identity_key │ 2 identity_sig │ 4 extensions { 2 stream_muxers, repeated }
struct Libp2pPayload: Hashable, Sendable {
  /// How many muxers a peer may name.
  static let muxerCountLimit = 16

  var key: [UInt8]
  var signature: [UInt8]
  var muxers: [String]

  /// The payload of this side.
  init(identity: Ed25519.SigningKey, staticKey: [UInt8], muxers: [String]) {
    key = PeerPublicKey(identity.publicKey).encoded
    signature = identity.sign(Self.signedMessage(staticKey))
    self.muxers = muxers
  }

  /// Reads a payload; of a field that comes twice the last counts, as in every protobuf.
  init(_ bytes: [UInt8]) throws(Libp2pNoiseError) {
    guard let fields = Protobuf.fields(bytes) else { throw .malformedPayload }
    key = []
    signature = []
    muxers = []
    for (number, value) in fields {
      switch (number, value) {
      case (1, .bytes(let key)): self.key = key
      case (2, .bytes(let signature)): self.signature = signature
      case (4, .bytes(let extensions)): muxers = try Self.muxers(extensions)
      case (1, _), (2, _), (4, _): throw .malformedPayload
      case (_, _): continue
      }
    }
  }

  private static func muxers(_ bytes: [UInt8]) throws(Libp2pNoiseError) -> [String] {
    guard let fields = Protobuf.fields(bytes) else { throw .malformedPayload }
    var muxers: [String] = []
    for (number, value) in fields where number == 2 {
      guard case .bytes(let name) = value, let name = String(validating: name, as: UTF8.self),
        muxers.count < muxerCountLimit
      else {
        throw .malformedPayload
      }
      muxers.append(name)
    }
    return muxers
  }

  var encoded: [UInt8] {
    var bytes = Protobuf.encode(1, key) + Protobuf.encode(2, signature)
    if !muxers.isEmpty { bytes += Protobuf.encode(4, muxers.flatMap { Protobuf.encode(2, Array($0.utf8)) }) }
    return bytes
  }

  /// Who signed `staticKey`.
  func verify(staticKey: [UInt8]) throws(Libp2pNoiseError) -> PeerID {
    let identity: (name: PeerID, key: Ed25519.PublicKey)
    do throws(PeerIDError) {
      let key = try PeerPublicKey(encoded: key)
      identity = (PeerID(key), try key.ed25519)
    } catch {
      throw .unusableKey(error)
    }
    guard identity.key.isValid(signature: signature, for: Self.signedMessage(staticKey)) else {
      throw .invalidSignature
    }
    return identity.name
  }

  static func signedMessage(_ staticKey: [UInt8]) -> [UInt8] { Array("noise-libp2p-static-key:".utf8) + staticKey }
}
