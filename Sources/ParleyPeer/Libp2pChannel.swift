import ParleyNoise
import ParleyWire

/// The encrypted stream after a `/noise` handshake.
public struct Libp2pChannel: ~Copyable, Sendable {
  /// The most that one Noise message carries, in bytes.
  public static let plaintextByteCountLimit = HandshakeState.messageByteCountLimit - CipherState.tagByteCount

  /// Who is on the other side: proved.
  public let peer: PeerID
  /// The muxer that both sides named in the handshake; `nil` when multistream-select has to find one.
  public let muxer: String?

  private var transport: TransportState
  private var frames = NoiseFrames()
  private var isEnded = false

  init(peer: PeerID, muxer: String?, transport: consuming TransportState, received: [UInt8]) {
    self.peer = peer
    self.muxer = muxer
    self.transport = transport
    frames.append(received.rawSpan)
  }

  /// Appends the messages that carry `plaintext` to `output`.
  ///
  /// - Throws: ``Libp2pNoiseError/noise(_:)`` after 2^64 - 1 messages.
  public mutating func seal(_ plaintext: RawSpan, appendingTo output: inout [UInt8]) throws(Libp2pNoiseError) {
    var position = 0
    while position < plaintext.byteCount {
      let count = min(Self.plaintextByteCountLimit, plaintext.byteCount - position)
      output.appendBigEndian(UInt16(count + CipherState.tagByteCount))
      do throws(NoiseError) {
        try transport.sending.encrypt(plaintext.extracting(position..<(position + count)), appendingTo: &output)
      } catch {
        throw .noise(error)
      }
      position += count
    }
  }

  /// Takes what came, and appends the plaintext of every whole message to `output`.
  ///
  /// Call it once without bytes at first: some may have come with the handshake.
  ///
  /// - Throws: Why the channel has ended; what stands in `output` is genuine.
  public mutating func open(_ bytes: RawSpan, appendingTo output: inout [UInt8]) throws(Libp2pNoiseError) {
    guard !isEnded else { throw .ended }
    frames.append(bytes)
    while let message = frames.next() {
      do throws(NoiseError) {
        try transport.receiving.decrypt(message.rawSpan, appendingTo: &output)
      } catch {
        isEnded = true
        throw .noise(error)
      }
    }
  }
}
