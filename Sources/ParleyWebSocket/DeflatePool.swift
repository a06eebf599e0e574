/// The streams of zlib that connections without context take turns with.
///
/// One an event loop: it is used from one thread. A stream that inflates takes 40 KiB, one that deflates up to 260 KiB;
/// an idle connection without context holds neither.
public final class DeflatePool {
  /// Streams that no message is using: more than one only after messages came in pieces on several connections at once.
  private var inflaters: [InflateStream] = []
  /// One a shape, for a message is deflated in one go.
  private var deflaters: [DeflateStream] = []

  static let maximumIdleInflaterCount = 8
  static let maximumDeflaterCount = 8

  /// Creates an empty pool; streams are made when the first message needs them.
  public init() {}

  /// How many streams are kept.
  var idleCounts: (inflaters: Int, deflaters: Int) { (inflaters.count, deflaters.count) }

  /// A stream with the largest window, which follows every smaller one, reset.
  func takeInflater() -> InflateStream {
    guard let stream = inflaters.popLast() else { return InflateStream(windowBits: 15) }
    stream.reset()
    return stream
  }

  func give(_ stream: InflateStream) {
    if inflaters.count < Self.maximumIdleInflaterCount { inflaters.append(stream) }
  }

  /// A stream of this shape, reset; good until the next call.
  func deflater(_ shape: DeflateShape) -> DeflateStream {
    if let stream = deflaters.first(where: { $0.shape == shape }) {
      stream.reset()
      return stream
    }
    if deflaters.count == Self.maximumDeflaterCount { deflaters.removeFirst() }
    let stream = DeflateStream(shape)
    deflaters.append(stream)
    return stream
  }
}
