/// How the peer broke a rule of the streams of a secure channel; the channel ends.
///
/// What is wrong on one stream alone ends that stream; the negotiation's is the only one that takes the channel with it.
public enum ChannelStreamsError: Error, Hashable, Sendable {
  /// A frame breaks yamux, or a limit.
  case yamux(YamuxError)
  /// The peer goes away, and says that it does so because of an error.
  case goneAway(YamuxGoAway)
  /// On the negotiation's stream the sides could not agree on what to speak.
  case negotiationRefused(MultistreamError)
  /// The negotiation's stream was finished or reset while the channel stood.
  case negotiationEnded
  /// A message of the negotiation is empty or too long, in bytes.
  case wrongMessageLength(UInt32)
  /// The channel was closed inside a frame.
  case truncatedFrame
  /// The channel was closed inside a message of the negotiation.
  case truncatedMessage
  /// An earlier error ended these streams.
  case ended
}

/// What happened on the streams of a secure channel.
public enum ChannelStreamsEvent: Hashable, Sendable {
  /// A message of the negotiation came; ``ChannelStreams/consume(_:of:)`` lets the peer send more.
  case negotiation([UInt8])
  /// The peer opened a stream, and both sides speak this protocol on it.
  case opened(UInt32, protocol: String)
  /// The peer speaks the protocol of a stream that this side opened.
  case agreed(UInt32)
  /// A message came; ``ChannelStreams/consume(_:of:)`` lets the peer send more.
  case message(UInt32, [UInt8])
  /// The peer has sent all on this stream.
  case finished(UInt32)
  /// The stream ended: by the peer, because it broke a rule, because too much lay unread, or because it does not speak
  /// the protocol.
  case reset(UInt32)
  /// A stream that did not take a message takes some again.
  case writable(UInt32)
  /// The peer answered a ping, so long after it was asked.
  case roundTrip(Duration)
  /// The peer takes no more streams.
  case goneAway
}

/// What the streams of a secure channel may grow to (`docs/protocol/secure-channel.md`, section 10).
public struct ChannelStreamLimits: Hashable, Sendable {
  /// Streams that either side may have open at a time; one more of the peer's is reset.
  public var streamCount = 32
  /// Streams of this side that the peer has not accepted yet.
  public var unacknowledgedStreamCount = 8
  /// What may wait on one stream before it takes no more, in bytes.
  public var queueByteCount = 1 << 20
  /// What one record carries: the most that one stream makes another wait for, in bytes.
  public var recordByteCount = 16_379

  /// Takes the values above.
  public init() {}

  var yamux: YamuxLimits {
    var limits = YamuxLimits()
    limits.inboundStreamCount = streamCount
    limits.outboundStreamCount = streamCount
    limits.unacknowledgedStreamCount = unacknowledgedStreamCount
    limits.outputByteCount = recordByteCount
    limits.frameByteCount = recordByteCount
    // As much as all windows together: what a driver leaves unread on one stream takes nothing from the others.
    limits.unreadByteCount = 2 * streamCount * limits.windowByteCount
    return limits
  }
}

/// What the streams of one channel have come to.
public struct ChannelStreamCounters: Hashable, Sendable {
  /// Streams that are open.
  public var open = 0
  /// Streams that this side has opened.
  public var opened = 0
  /// Streams of the peer that this side has accepted.
  public var accepted = 0
  /// Streams that did not end in order, on either side's word.
  public var reset = 0
  /// Pings that were answered.
  public var pongs = 0
  /// Pings that were given up.
  public var lostPings = 0
  /// How long the last answered ping took; `nil` before the first.
  public var roundTrip: Duration?
}
