public import ParleyCrypto
public import ParleyNoise
import ParleyWire

/// Why a `/noise` handshake or channel ended; the peer learns none of it.
public enum Libp2pNoiseError: Error, Hashable, Sendable {
  /// The Noise messages or their keys.
  case noise(NoiseError)
  /// A handshake message is longer than ``Libp2pHandshake/messageByteCountLimit``, in bytes.
  case messageTooLong(Int)
  /// The payload is no `NoiseHandshakePayload`, or names too many muxers.
  case malformedPayload
  /// The identity key cannot be used.
  case unusableKey(PeerIDError)
  /// The signature does not bind the Noise key to the identity.
  case invalidSignature
  /// Another peer than the one dialled.
  case wrongPeer(PeerID)
  /// The peer shows this side's own identity.
  case ownIdentity
  /// An earlier error ended this.
  case ended
}

/// `/noise` of libp2p: `Noise_XX_25519_ChaChaPoly_SHA256`, the identities signed in its payloads, and the muxer agreed on
/// early.
///
///     → e
///     ← e, ee, s, es     responder's identity, its signature, its muxers
///     → s, se            initiator's
///
/// A sans-IO machine: send ``takeOutput()``, pass in what comes until ``isFinished``, then ``finish()``. It proves who
/// signs now, and no more: unlike the secure channel of Parley its signatures do not cover the transcript, and there is
/// no post-quantum part (libp2p/specs#355). So it carries discovery and gossip, not trades.
public struct Libp2pHandshake: ~Copyable, Sendable {
  /// The name that multistream-select agrees on.
  public static let name = "/noise"
  /// The longest handshake message that is read, in bytes.
  public static let messageByteCountLimit = 4096

  private static let noise = NoiseProtocol(.xx, .chaChaPoly, .sha256)

  private let side: NoiseRole
  private let identity: Ed25519.SigningKey
  private let staticKey: X25519.PrivateKey
  private let muxers: [String]
  private let expected: PeerID?
  private var state: HandshakeState
  private var frames = NoiseFrames()
  private var output: [UInt8] = []
  private var result: (peer: PeerID, muxer: String?)?
  private var isEnded = false

  /// Begins a handshake.
  ///
  /// - Parameters:
  ///   - side: The initiator is who dialled.
  ///   - identity: What the peer ID of this side is made of.
  ///   - staticKey: The Noise key of this side, which a process may keep.
  ///   - ephemeralKey: Of this handshake alone.
  ///   - muxers: What this side speaks, the best first.
  ///   - peer: Who was dialled; `nil` takes any.
  public init(
    _ side: NoiseRole, identity: Ed25519.SigningKey, staticKey: X25519.PrivateKey,
    ephemeralKey: X25519.PrivateKey = X25519.PrivateKey(), muxers: [String], expecting peer: PeerID? = nil
  ) {
    self.side = side
    self.identity = identity
    self.staticKey = staticKey
    self.muxers = muxers
    expected = peer
    state = HandshakeState(Self.noise, side, keys: .init(s: staticKey, e: ephemeralKey))
    if side == .initiator {
      guard let message = try? state.writeMessage([]) else {
        preconditionFailure("message 1 needs no key of the peer's")
      }
      output = NoiseFrames.encode(message)
    }
  }

  /// What is to be sent.
  public mutating func takeOutput() -> [UInt8] {
    defer { output = [] }
    return output
  }

  /// Whether ``finish()`` may be called.
  public var isFinished: Bool { result != nil && state.isFinished }

  /// Takes what came.
  ///
  /// - Throws: Why the handshake has ended; every later call throws ``Libp2pNoiseError/ended``.
  public mutating func receive(_ bytes: RawSpan) throws(Libp2pNoiseError) {
    guard !isEnded else { throw .ended }
    frames.append(bytes)
    do throws(Libp2pNoiseError) {
      while !isFinished, let count = frames.nextByteCount {
        guard count <= Self.messageByteCountLimit else { throw .messageTooLong(count) }
        guard let message = frames.next() else { return }
        try read(message)
      }
    } catch {
      isEnded = true
      throw error
    }
  }

  private mutating func read(_ message: [UInt8]) throws(Libp2pNoiseError) {
    let payload = try Libp2pNoiseError.wrapping { () throws(NoiseError) in try state.readMessage(message) }
    // Message 1 has no key yet, and says nothing.
    if let key = state.remoteStaticKey { try accept(payload, staticKey: key) }
    guard state.turn == side else { return }
    let own = Libp2pPayload(identity: identity, staticKey: staticKey.publicKey, muxers: muxers).encoded
    output += NoiseFrames.encode(
      try Libp2pNoiseError.wrapping { () throws(NoiseError) in try state.writeMessage(own) })
  }

  private mutating func accept(_ payload: [UInt8], staticKey: [UInt8]) throws(Libp2pNoiseError) {
    let payload = try Libp2pPayload(payload)
    let peer = try payload.verify(staticKey: staticKey)
    guard peer != PeerID(PeerPublicKey(identity.publicKey)) else { throw .ownIdentity }
    if let expected, expected != peer { throw .wrongPeer(peer) }
    // The initiator's order counts.
    let (first, second) = side == .initiator ? (muxers, payload.muxers) : (payload.muxers, muxers)
    result = (peer, first.first { second.contains($0) })
  }

  /// Ends the handshake and gives the channel.
  ///
  /// - Precondition: ``isFinished``, and ``takeOutput()`` was sent.
  public consuming func finish() -> Libp2pChannel {
    guard let result else { preconditionFailure("the handshake is not over") }
    let rest = frames.rest
    return Libp2pChannel(peer: result.peer, muxer: result.muxer, transport: state.split(), received: rest)
  }
}

extension Libp2pNoiseError {
  static func wrapping<Value>(_ body: () throws(NoiseError) -> Value) throws(Libp2pNoiseError) -> Value {
    do throws(NoiseError) {
      return try body()
    } catch {
      throw .noise(error)
    }
  }
}
