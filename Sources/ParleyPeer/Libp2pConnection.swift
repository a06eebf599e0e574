public import ParleyCrypto
public import ParleyNoise
import ParleyWire

/// How the peer broke a protocol; the connection has ended.
public enum Libp2pError: Error, Hashable, Sendable {
  /// What to speak could not be agreed on.
  case multistream(MultistreamError)
  /// The handshake or the channel.
  case noise(Libp2pNoiseError)
  /// The streams.
  case yamux(YamuxError)
  /// An earlier error ended this connection.
  case ended
}

/// What happened on a connection.
public enum Libp2pEvent: Hashable, Sendable {
  /// The other side has proved who it is; streams may be opened.
  case connected(PeerID)
  /// The peer opened a stream, and both sides speak this protocol on it.
  case opened(UInt32, protocol: String)
  /// The peer speaks the protocol of a stream that this side opened.
  case agreed(UInt32)
  /// Bytes came; ``Libp2pConnection/consume(_:of:)`` lets the peer send as many more.
  case data(UInt32, [UInt8])
  /// The peer has sent all on this stream.
  case finished(UInt32)
  /// The stream ended: by the peer, by a broken connection, because too much lay unread, or because there was no
  /// protocol to speak on it.
  case reset(UInt32)
  /// A stream that did not take all bytes takes some again.
  case writable(UInt32)
  /// The peer opens no more streams, and wants no more.
  case goAway(YamuxGoAway)
}

/// One plain libp2p connection: multistream-select, `/noise`, yamux, and multistream-select again on each stream.
///
///     ┌───────────────────┐   ┌─────────────┐   ┌────────────────┐   ┌──────┐
///     │ selectingSecurity │ ─▶│ handshaking │ ─▶│ selectingMuxer │ ─▶│ open │
///     └───────────────────┘   └─────────────┘   └────────────────┘   └──────┘
///                                    │  the muxer was named early       ▲
///                                    └──────────────────────────────────┘
///
/// A sans-IO machine, driven as ``YamuxMachine`` is: bytes in, ``takeOutput()`` when the connection takes more, and
/// ``poll()`` until it is `nil` after every call. An error ends it; the keys are gone then.
public struct Libp2pConnection: ~Copyable, Sendable {
  /// The name of the muxer.
  public static let muxer = "/yamux/1.0.0"

  /// What this side is and speaks.
  public struct Configuration: Sendable {
    /// What the peer ID is made of.
    public var identity: Ed25519.SigningKey
    /// The Noise key, which a process may keep.
    public var staticKey: X25519.PrivateKey
    /// What the peer may open streams for.
    public var protocols: [String]
    /// Whether the muxer is named in the handshake, which saves a round trip.
    public var negotiatesEarly = true
    /// What the streams may grow to.
    public var limits = YamuxLimits()

    /// States identity, Noise key and protocols.
    public init(identity: Ed25519.SigningKey, staticKey: X25519.PrivateKey, protocols: [String]) {
      self.identity = identity
      self.staticKey = staticKey
      self.protocols = protocols
    }

    /// The name of this side.
    public var peerID: PeerID { PeerID(PeerPublicKey(identity.publicKey)) }
  }

  private let side: NoiseRole
  private let configuration: Configuration
  private let expected: PeerID?
  private var state: State
  private var output: [UInt8] = []
  private var events: [Libp2pEvent] = []
  private var nextEvent = 0

  /// Begins a connection.
  ///
  /// - Parameters:
  ///   - side: The initiator is who dialled.
  ///   - configuration: What this side is and speaks.
  ///   - peer: Who was dialled; `nil` takes any.
  public init(_ side: NoiseRole, _ configuration: Configuration, expecting peer: PeerID? = nil) {
    self.side = side
    self.configuration = configuration
    expected = peer
    var selector = MultistreamSelector(side, [Libp2pHandshake.name])
    output = selector.takeOutput()
    state = .selectingSecurity(selector)
  }

  /// The next event, in the order of their causes.
  public mutating func poll() -> Libp2pEvent? {
    guard nextEvent < events.count else {
      events.removeAll(keepingCapacity: true)
      nextEvent = 0
      return nil
    }
    defer { nextEvent += 1 }
    return events[nextEvent]
  }

  /// What is to be sent; asked for when the connection takes more.
  ///
  /// - Throws: ``Libp2pError/noise(_:)`` after 2^64 - 1 messages.
  public mutating func takeOutput() throws(Libp2pError) -> [UInt8] {
    defer { output = [] }
    try withStreams { streams, output, events throws(Libp2pError) in try streams.takeOutput(into: &output, &events) }
    return output
  }

  /// Takes what came from the connection.
  ///
  /// - Throws: How the peer broke a protocol. Events from before it are still there to ``poll()``.
  /// - Precondition: ``poll()`` has given `nil` since the last call.
  public mutating func receive(_ bytes: RawSpan) throws(Libp2pError) {
    precondition(nextEvent == events.count, "events are polled before the next input")
    try state.receive(bytes, Surroundings(side, configuration, expected), &output, &events)
  }

  /// The connection is gone: every stream ends.
  public mutating func disconnect() {
    withStreams { streams, _, events in streams.disconnect(&events) }
    state = .ended
  }

  // MARK: Streams

  /// Opens a stream for a protocol; data may follow at once, and is lost if the peer does not speak it.
  ///
  /// - Returns: Its number; `nil` when the connection is not up or the limits of ``YamuxMachine`` forbid it now.
  public mutating func open(_ name: String) -> UInt32? {
    withStreams { streams, _, _ in streams.open(name) } ?? nil
  }

  /// Sends as much as the stream takes.
  ///
  /// - Returns: How many of the bytes were taken; ``Libp2pEvent/writable(_:)`` follows if not all. `nil` when the
  ///   stream is gone or this side has finished it.
  public mutating func send(_ bytes: [UInt8], on id: UInt32) -> Int? {
    withStreams { streams, _, _ in streams.send(bytes, on: id) } ?? nil
  }

  /// Lets the peer send as many bytes more as were read.
  public mutating func consume(_ count: Int, of id: UInt32) {
    withStreams { streams, _, _ in streams.yamux.consume(count, of: id) }
  }

  /// Says that this side has sent all on a stream; the peer may go on.
  public mutating func finish(_ id: UInt32) {
    withStreams { streams, _, _ in streams.finish(id) }
  }

  /// Ends a stream at once, in both directions.
  public mutating func reset(_ id: UInt32) {
    withStreams { streams, _, _ in streams.reset(id) }
  }

  /// Does something with the streams, if there are any by now.
  @discardableResult
  private mutating func withStreams<Value, Failure: Error>(
    _ body: (inout Libp2pStreams, inout [UInt8], inout [Libp2pEvent]) throws(Failure) -> Value
  ) throws(Failure) -> Value? {
    try state.withStreams { streams throws(Failure) in try body(&streams, &output, &events) }
  }
}

extension Libp2pConnection {
  /// What every step may look at.
  private struct Surroundings {
    let side: NoiseRole
    let configuration: Configuration
    let expected: PeerID?

    init(_ side: NoiseRole, _ configuration: Configuration, _ expected: PeerID?) {
      self.side = side
      self.configuration = configuration
      self.expected = expected
    }

    func handshake() -> Libp2pHandshake {
      Libp2pHandshake(
        side, identity: configuration.identity, staticKey: configuration.staticKey,
        muxers: configuration.negotiatesEarly ? [muxer] : [], expecting: expected)
    }

    func streams(_ channel: consuming Libp2pChannel) -> Libp2pStreams {
      Libp2pStreams(
        channel: channel, yamux: YamuxMachine(side, limits: configuration.limits), protocols: configuration.protocols)
    }
  }

  private enum State: ~Copyable, Sendable {
    case selectingSecurity(MultistreamSelector)
    case handshaking(Libp2pHandshake)
    case selectingMuxer(Libp2pChannel, MultistreamSelector)
    case open(Libp2pStreams)
    case ended

    /// Does something with the streams, if there are any by now.
    ///
    /// An error leaves `ended`.
    mutating func withStreams<Value, Failure: Error>(
      _ body: (inout Libp2pStreams) throws(Failure) -> Value
    ) throws(Failure) -> Value? {
      switch consume self {
      case .open(var streams):
        do throws(Failure) {
          let value = try body(&streams)
          self = .open(streams)
          return value
        } catch {
          self = .ended
          throw error
        }
      case .selectingSecurity(let selector): self = .selectingSecurity(selector)
      case .handshaking(let handshake): self = .handshaking(handshake)
      case .selectingMuxer(let channel, let selector): self = .selectingMuxer(channel, selector)
      case .ended: self = .ended
      }
      return nil
    }

    /// Takes bytes; each state passes on what is left to the next one.
    ///
    /// An error leaves `ended`.
    mutating func receive(
      _ bytes: RawSpan, _ surroundings: Surroundings, _ output: inout [UInt8], _ events: inout [Libp2pEvent]
    ) throws(Libp2pError) {
      switch consume self {
      case .selectingSecurity(var selector):
        self = .ended
        let selection = try Libp2pError.selecting { () throws(MultistreamError) in try selector.receive(bytes) }
        output += selector.takeOutput()
        guard let selection else {
          self = .selectingSecurity(selector)
          return
        }
        var handshake = surroundings.handshake()
        output += handshake.takeOutput()
        self = .handshaking(handshake)
        if !selection.rest.isEmpty { try receive(selection.rest.rawSpan, surroundings, &output, &events) }
      case .handshaking(var handshake):
        self = .ended
        try Libp2pError.proving { () throws(Libp2pNoiseError) in try handshake.receive(bytes) }
        output += handshake.takeOutput()
        guard handshake.isFinished else {
          self = .handshaking(handshake)
          return
        }
        try begin(handshake.finish(), surroundings, &output, &events)
      case .selectingMuxer(var channel, let selector):
        self = .ended
        var plaintext = [UInt8]()
        try Libp2pError.proving { () throws(Libp2pNoiseError) in try channel.open(bytes, appendingTo: &plaintext) }
        try select(plaintext, channel, selector, surroundings, &output, &events)
      case .open(var streams):
        self = .ended
        do throws(Libp2pError) {
          try streams.receive(bytes, &events)
        } catch {
          // Yamux says why, and the peer may still hear it.
          try? streams.takeOutput(into: &output, &events)
          throw error
        }
        self = .open(streams)
      case .ended:
        self = .ended
        throw .ended
      }
    }

    /// The handshake is over: the muxer is known, or has to be agreed on.
    private mutating func begin(
      _ channel: consuming Libp2pChannel, _ surroundings: Surroundings, _ output: inout [UInt8],
      _ events: inout [Libp2pEvent]
    ) throws(Libp2pError) {
      if channel.muxer != nil {
        events.append(.connected(channel.peer))
        var streams = surroundings.streams(channel)
        try streams.receive([UInt8]().rawSpan, &events)
        self = .open(streams)
        return
      }
      var plaintext = [UInt8]()
      try Libp2pError.proving { () throws(Libp2pNoiseError) in
        try channel.open([UInt8]().rawSpan, appendingTo: &plaintext)
      }
      var selector = MultistreamSelector(surroundings.side, [muxer])
      let first = selector.takeOutput()
      try Libp2pError.proving { () throws(Libp2pNoiseError) in
        try channel.seal(first.rawSpan, appendingTo: &output)
      }
      try select(plaintext, channel, selector, surroundings, &output, &events)
    }

    private mutating func select(
      _ plaintext: [UInt8], _ channel: consuming Libp2pChannel, _ selector: consuming MultistreamSelector,
      _ surroundings: Surroundings, _ output: inout [UInt8], _ events: inout [Libp2pEvent]
    ) throws(Libp2pError) {
      let selection = try Libp2pError.selecting { () throws(MultistreamError) in
        try selector.receive(plaintext.rawSpan)
      }
      let answer = selector.takeOutput()
      try Libp2pError.proving { () throws(Libp2pNoiseError) in
        try channel.seal(answer.rawSpan, appendingTo: &output)
      }
      guard let selection else {
        self = .selectingMuxer(channel, selector)
        return
      }
      events.append(.connected(channel.peer))
      var streams = surroundings.streams(channel)
      try streams.receive(plaintext: selection.rest, &events)
      self = .open(streams)
    }
  }
}

extension Libp2pError {
  static func selecting<Value>(_ body: () throws(MultistreamError) -> Value) throws(Libp2pError) -> Value {
    do throws(MultistreamError) {
      return try body()
    } catch {
      throw .multistream(error)
    }
  }

  static func proving<Value>(_ body: () throws(Libp2pNoiseError) -> Value) throws(Libp2pError) -> Value {
    do throws(Libp2pNoiseError) {
      return try body()
    } catch {
      throw .noise(error)
    }
  }
}
