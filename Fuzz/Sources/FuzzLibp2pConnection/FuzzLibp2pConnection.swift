import ParleyCrypto
import ParleyNoise
import ParleyPeer
import ParleyWire

/// A whole connection traps never, whatever it is sent between any calls: from the first byte on, or behind a handshake that
/// an honest peer has done, as plaintext in genuine Noise messages or as bytes that nobody encrypted.
///
/// The first byte chooses the side, whether the muxer is named early, and which of the three; each after it is a call.
@c(LLVMFuzzerTestOneInput)
public func fuzzLibp2pConnection(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  guard let first = input.first else { return 0 }
  let side = first & 1 == 0 ? NoiseRole.initiator : .responder
  var session = Session(side, isEarly: first & 2 == 0)
  switch first >> 2 & 3 {
  case 0: session.run(input.dropFirst())
  case 1:
    session.shakeHands(with: side, isEarly: first & 2 == 0)
    session.isSealed = false
    session.run(input.dropFirst())
  case _:
    session.shakeHands(with: side, isEarly: first & 2 == 0)
    session.run(input.dropFirst())
  }
  return 0
}

/// What every run shares.
private struct Sides: Sendable {
  static let shared = Sides()

  let keys = (
    Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 1, count: 32))),
    Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 2, count: 32)))
  )
  let staticKeys = (X25519.PrivateKey(), X25519.PrivateKey())
}

/// The connection, the honest peer that brought it up, and what is known from outside.
private struct Session: ~Copyable {
  var connection: Libp2pConnection
  /// The peer's end of the channel; `nil` before there is one.
  var channel: Libp2pChannel?
  var isSealed = true
  var unread: [UInt32: Int] = [:]

  init(_ side: NoiseRole, isEarly: Bool) {
    var configuration = Libp2pConnection.Configuration(
      identity: Sides.shared.keys.0, staticKey: Sides.shared.staticKeys.0, protocols: ["/a", "/b"])
    configuration.negotiatesEarly = isEarly
    configuration.limits.inboundStreamCount = 3
    configuration.limits.outboundStreamCount = 2
    configuration.limits.outputByteCount = 200
    configuration.limits.answerByteCount = 120
    configuration.limits.unreadByteCount = configuration.limits.windowByteCount
    connection = Libp2pConnection(side, configuration)
  }

  /// Does multistream-select and `/noise` as it should be.
  mutating func shakeHands(with side: NoiseRole, isEarly: Bool) {
    let names = Multistream.encode(Multistream.header) + Multistream.encode(Libp2pHandshake.name)
    var handshake = Libp2pHandshake(
      side == .initiator ? .responder : .initiator, identity: Sides.shared.keys.1, staticKey: Sides.shared.staticKeys.1,
      muxers: isEarly ? [Libp2pConnection.muxer] : [])
    var incoming = names + handshake.takeOutput()
    var skipped = names.count
    while !handshake.isFinished {
      guard (try? connection.receive(incoming.rawSpan)) != nil, var output = try? connection.takeOutput() else {
        preconditionFailure("an honest peer is understood")
      }
      // Its multistream-select comes first, and is what it must be.
      let count = min(skipped, output.count)
      precondition(Array(output.prefix(count)) == Array(names.suffix(skipped).prefix(count)))
      output.removeFirst(count)
      skipped -= count
      precondition((try? handshake.receive(output.rawSpan)) != nil)
      incoming = handshake.takeOutput()
      drain()
    }
    if !incoming.isEmpty { _ = try? connection.receive(incoming.rawSpan) }
    drain()
    channel = handshake.finish()
  }

  /// A byte is a call; for bytes from the peer it also says how many of those that follow.
  mutating func run(_ script: ArraySlice<UInt8>) {
    var rest = script
    while let call = rest.popFirst() {
      let id = UInt32(call >> 4)
      switch call & 7 {
      case 0...2:
        let bytes = Array(rest.prefix(Int(call >> 3)))
        rest = rest.dropFirst(bytes.count)
        let isOver = !receive(bytes)
        drain()
        if isOver { return end() }
      case 3: _ = connection.open(call & 8 == 0 ? "/a" : "/c")
      case 4: _ = connection.send([UInt8](repeating: call, count: 70), on: id)
      case 5:
        connection.consume(unread[id] ?? 0, of: id)
        unread[id] = nil
      case 6: call & 8 == 0 ? connection.finish(id) : connection.reset(id)
      case _:
        guard let output = try? connection.takeOutput() else { return end() }
        // What waited in yamux, the answers on a few streams, and the overhead of the messages around it.
        precondition(output.count <= 4096 + 64 * script.count)
        check(output)
      }
      drain()
    }
    connection.disconnect()
    drain()
    precondition(connection.open("/a") == nil)
  }

  private mutating func receive(_ bytes: [UInt8]) -> Bool {
    guard isSealed, channel != nil else { return (try? connection.receive(bytes.rawSpan)) != nil }
    var sealed = [UInt8]()
    precondition((try? channel?.seal(bytes.rawSpan, appendingTo: &sealed)) != nil)
    return (try? connection.receive(sealed.rawSpan)) != nil
  }

  /// What goes out behind the handshake is genuine for the peer.
  private mutating func check(_ output: [UInt8]) {
    guard channel != nil else { return }
    var plaintext = [UInt8]()
    precondition((try? channel?.open(output.rawSpan, appendingTo: &plaintext)) != nil)
  }

  /// After an error nothing more is taken, and no stream is there.
  private mutating func end() {
    if let output = try? connection.takeOutput() { check(output) }
    drain()
    precondition((try? connection.receive([0].rawSpan)) == nil)
    precondition(connection.open("/a") == nil && connection.send([1], on: 1) == nil)
  }

  private mutating func drain() {
    while let event = connection.poll() {
      switch event {
      case .connected(let peer): precondition(peer == PeerID(PeerPublicKey(Sides.shared.keys.1.publicKey)))
      case .opened(_, let name): precondition(["/a", "/b"].contains(name))
      case .data(let id, let bytes):
        precondition(!bytes.isEmpty)
        unread[id, default: 0] += bytes.count
        precondition(unread[id, default: 0] <= YamuxLimits.initialWindowByteCount)
      case .reset(let id): unread[id] = nil
      case .agreed, .finished, .writable, .goAway: continue
      }
    }
  }
}
