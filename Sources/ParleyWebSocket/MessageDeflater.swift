/// Compresses the messages of one direction of a connection (RFC 7692 section 7.2.1).
///
/// A connection without context borrows a stream of zlib for each message and holds none between.
public final class MessageDeflater {
  /// Whether a message refers back to those before it.
  ///
  /// If so, every message given to ``deflate(_:into:)`` must be sent as it came out.
  public let keepsContext: Bool

  private let shape: DeflateShape
  private let pool: DeflatePool
  private var stream: DeflateStream?

  /// Starts before the first message.
  ///
  /// - Parameters:
  ///   - windowBits: what the receiver was told: it needs a window of 2 to this power bytes, 8...15.
  ///   - keepsContext: whether a message may refer back to those before it. If so, zlib's state stays from the first
  ///     compressed message on.
  ///   - options: the level and the memory level.
  ///   - pool: the pool of this loop.
  public init(windowBits: Int, keepsContext: Bool, options: PermessageDeflate.Options, pool: DeflatePool) {
    precondition(PermessageDeflate.windowBits.contains(windowBits))
    shape = DeflateShape(windowBits: windowBits, memoryLevel: options.memoryLevel, level: options.level)
    self.keepsContext = keepsContext
    self.pool = pool
  }

  /// Appends a whole message, compressed, without the `00 00 ff ff` that the receiver puts back.
  public func deflate(_ message: RawSpan, into output: inout [UInt8]) {
    guard message.byteCount > 0 else {
      // An empty block without compression: zlib gives nothing where a flush follows a flush.
      output.append(0x00)
      return
    }
    takeStream().deflate(message, into: &output)
    output.removeLast(4)
  }

  private func takeStream() -> DeflateStream {
    if let stream { return stream }
    guard keepsContext else { return pool.deflater(shape) }
    let made = DeflateStream(shape)
    stream = made
    return made
  }
}
