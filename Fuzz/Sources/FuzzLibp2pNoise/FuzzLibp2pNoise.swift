import ParleyCrypto
import ParleyNoise
import ParleyPeer
import ParleyWire

/// No bytes trap a side of `/noise`: as messages, as the payload of a peer that is honest otherwise, as records after the
/// handshake, or as names and keys; the first one chooses.
@c(LLVMFuzzerTestOneInput)
public func fuzzLibp2pNoise(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let choice = input.first else { return 0 }
  let bytes = Array(input.dropFirst())
  switch choice % 6 {
  case 0:
    var handshake = Sides.shared.handshake(.initiator)
    _ = try? handshake.receive(bytes.rawSpan)
  case 1:
    var handshake = Sides.shared.handshake(.responder)
    _ = try? handshake.receive(bytes.rawSpan)
  case 2: answer(payload: bytes)
  case 3: records(bytes)
  case 4:
    if let id = try? PeerID(bytes: bytes) {
      precondition((try? PeerID(parsing: id.description)) == id && (try? PeerID(parsing: id.cid)) == id)
    }
    if let key = try? PeerPublicKey(encoded: bytes) { precondition(key.encoded == bytes) }
  default:
    if let id = try? PeerID(parsing: String(decoding: bytes, as: UTF8.self)) {
      precondition((try? PeerID(bytes: id.bytes)) == id)
    }
  }
  return 0
}

/// A responder whose payload is any bytes: nobody, since it cannot sign.
private func answer(payload: [UInt8]) {
  var dialer = Sides.shared.handshake(.initiator)
  var state = HandshakeState(
    NoiseProtocol(.xx, .chaChaPoly, .sha256), .responder, keys: .init(s: Sides.shared.staticKeys.1))
  guard payload.count < 4000, (try? state.readMessage(Array(dialer.takeOutput().dropFirst(2)))) != nil,
    let message = try? state.writeMessage(payload)
  else { return }
  var framed = [UInt8]()
  framed.appendLengthPrefixed(message)
  precondition((try? dialer.receive(framed.rawSpan)) == nil)
  precondition(!dialer.isFinished)
}

/// Bytes after a handshake open nothing.
private func records(_ bytes: [UInt8]) {
  var dialer = Sides.shared.handshake(.initiator)
  var listener = Sides.shared.handshake(.responder)
  _ = try? listener.receive(dialer.takeOutput().rawSpan)
  _ = try? dialer.receive(listener.takeOutput().rawSpan)
  _ = try? listener.receive(dialer.takeOutput().rawSpan)
  precondition(dialer.isFinished && listener.isFinished)
  var channel = listener.finish()
  var opened = [UInt8]()
  _ = try? channel.open(bytes.rawSpan, appendingTo: &opened)
  precondition(opened.isEmpty)
}

/// What every run shares.
private struct Sides: Sendable {
  static let shared = Sides()

  let identities = (Ed25519.SigningKey(), Ed25519.SigningKey())
  let staticKeys = (X25519.PrivateKey(), X25519.PrivateKey())

  func handshake(_ side: NoiseRole) -> Libp2pHandshake {
    side == .initiator
      ? Libp2pHandshake(.initiator, identity: identities.0, staticKey: staticKeys.0, muxers: ["/yamux/1.0.0"])
      : Libp2pHandshake(.responder, identity: identities.1, staticKey: staticKeys.1, muxers: ["/yamux/1.0.0"])
  }
}
