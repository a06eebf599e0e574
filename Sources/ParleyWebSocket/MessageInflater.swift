internal import ParleyWire

/// Decompresses the messages of one direction of a connection (RFC 7692 section 7.2.2).
///
/// A connection without context holds a stream of zlib only while a message is half there.
public final class MessageInflater {
  /// Whether a message may refer back to those before it.
  public let keepsContext: Bool

  private let windowBits: Int
  private let pool: DeflatePool
  private var stream: InflateStream?
  /// Of the current message.
  private var compressedByteCount = 0
  private var byteCount = 0

  /// What the sender took off the end of each message (section 7.2.1, step 3).
  private static let tail: [UInt8] = [0x00, 0x00, 0xFF, 0xFF]
  /// The most bytes that one call of zlib may write: what a bomb can add before the limits are looked at again.
  static let step = 1 << 14
  /// The ratio of a message does not matter up to here.
  static let freeByteCount = 1 << 16

  /// Starts before the first message.
  ///
  /// - Parameters:
  ///   - windowBits: what the sender agreed to: its window is 2 to this power bytes, 8...15.
  ///   - keepsContext: whether a message may refer back to those before it. If so, zlib's state and window stay from the
  ///     first compressed message on.
  ///   - pool: the pool of this loop.
  public init(windowBits: Int, keepsContext: Bool, pool: DeflatePool) {
    precondition(PermessageDeflate.windowBits.contains(windowBits))
    self.windowBits = windowBits
    self.keepsContext = keepsContext
    self.pool = pool
  }

  deinit {
    if let stream, !keepsContext { pool.give(stream) }
  }

  /// Appends what the next bytes of the current message inflate to.
  ///
  /// The limits are looked at while it inflates, every 16 KiB, and never after the fact.
  ///
  /// - Parameters:
  ///   - piece: the next bytes of the message's frames, in any pieces.
  ///   - isFinal: whether they are the message's last.
  ///   - maximumByteCount: bytes of the whole message, inflated.
  ///   - maximumRatio: inflated bytes for each compressed one, from 64 KiB of output on.
  ///   - output: where the bytes go. After a throw what was added, at most one byte past the limit, is of no use.
  /// - Throws: `invalidDeflateData`, `messageTooBig` or `inflationRatioExceeded`. The connection must then end: what
  ///   later messages refer back to is lost.
  public func inflate(
    _ piece: RawSpan, isFinal: Bool, maximumByteCount: Int, maximumRatio: Int, into output: inout [UInt8]
  ) throws(WebSocketError) {
    let limits = Limits(maximumByteCount: maximumByteCount, maximumRatio: maximumRatio)
    do throws(WebSocketError) {
      if piece.byteCount > 0 { try inflate(piece, with: takeStream(), limits, into: &output) }
      if isFinal { try finish(limits, into: &output) }
    } catch {
      endMessage()
      throw error
    }
  }

  private struct Limits {
    let maximumByteCount, maximumRatio: Int
  }

  private func takeStream() -> InflateStream {
    if let stream { return stream }
    let taken = keepsContext ? InflateStream(windowBits: windowBits) : pool.takeInflater()
    stream = taken
    return taken
  }

  private func inflate(
    _ input: RawSpan, with stream: InflateStream, isTail: Bool = false, _ limits: Limits, into output: inout [UInt8]
  ) throws(WebSocketError) {
    var position = 0
    while true {
      let start = (output.count, position)
      // Up to the next multiple of a step, so that where the ratio is looked at does not depend on the pieces; and one
      // past the limit, so that a message at the limit differs from one beyond.
      var room = min(Self.step &- byteCount % Self.step, limits.maximumByteCount &- byteCount &+ 1)
      room = max(1, min(room, max(512, (input.byteCount &- position) &* 4)))
      let pause = try stream.inflate(input, from: &position, room: room, into: &output)
      byteCount &+= output.count &- start.0
      if !isTail { compressedByteCount &+= position &- start.1 }
      guard byteCount <= limits.maximumByteCount else { throw .messageTooBig(limit: limits.maximumByteCount) }
      if byteCount % Self.step == 0 { try checkRatio(limits) }
      switch pause {
      case .needsRoom: break
      case .needsInput: return
      case .finalBlockEnded:
        stream.resume()
        if position == input.byteCount { return }
      }
    }
  }

  private func checkRatio(_ limits: Limits) throws(WebSocketError) {
    guard byteCount > Self.freeByteCount else { return }
    let (most, overflow) = limits.maximumRatio.multipliedReportingOverflow(by: compressedByteCount)
    guard overflow || byteCount <= most else { throw .inflationRatioExceeded(limit: limits.maximumRatio) }
  }

  /// Puts back what the sender took off, after which the message must end with a block.
  private func finish(_ limits: Limits, into output: inout [UInt8]) throws(WebSocketError) {
    // zlib gives nothing for an empty message right after another, and some senders send that nothing.
    if let stream, compressedByteCount > 0 {
      // A message that ended in a block with BFINAL may lack the byte that section 7.2.3.4 puts after it.
      if !stream.isBetweenStreams { try inflate(Self.tail.rawSpan, with: stream, isTail: true, limits, into: &output) }
      guard stream.isAtBoundary else { throw .invalidDeflateData }
      try checkRatio(limits)
    }
    endMessage()
  }

  private func endMessage() {
    compressedByteCount = 0
    byteCount = 0
    if !keepsContext, let stream {
      pool.give(stream)
      self.stream = nil
    }
  }
}
