internal import ParleyWire

/// Takes a chunked body apart (RFC 9112 section 7.1), strictly, and drops its trailer.
public struct ChunkedBodyReader: Sendable {
  private enum State {
    case size(digitCount: Int)
    /// After a semicolon; an extension has a name, and quotes are closed (RFC 9112 section 7.1.1).
    case `extension`(isEmpty: Bool, isQuoted: Bool, isEscaped: Bool)
    case sizeFeed
    case data
    case dataReturn
    case dataFeed
    case trailerStart
    case trailer
    case trailerFeed
    case lastFeed
    case complete
  }

  private let maximumByteCount: Int
  private var state = State.size(digitCount: 0)
  private var remaining = 0
  private var overheadByteCount = 0

  /// The body so far.
  public private(set) var body: [UInt8] = []

  /// Starts before the first chunk.
  ///
  /// - Parameter maximumByteCount: bytes of the body, and as many again of sizes, extensions and trailer.
  public init(maximumByteCount: Int) { self.maximumByteCount = maximumByteCount }

  /// Whether the last chunk and the trailer have come.
  public var isComplete: Bool {
    if case .complete = state { true } else { false }
  }

  /// Takes in bytes up to the body's end.
  ///
  /// - Returns: how many bytes belong to the body; fewer than there are only when it is complete.
  /// - Throws: `malformedChunk` or `bodyTooLarge`. The reader is then spent.
  public mutating func receive(_ input: RawSpan) throws(HTTPError) -> Int {
    var reader = ByteReader(input)
    while !isComplete, !reader.isAtEnd {
      if case .data = state {
        let count = min(remaining, reader.remaining)
        if let part = reader.read(count: count) { body.append(contentsOf: part) }
        remaining &-= count
        if remaining == 0 { state = .dataReturn }
      } else if let byte = reader.readUInt8() {
        overheadByteCount &+= 1
        guard overheadByteCount <= maximumByteCount else { throw .bodyTooLarge(limit: maximumByteCount) }
        try step(byte)
      }
    }
    return reader.consumed
  }

  private mutating func step(_ byte: UInt8) throws(HTTPError) {
    let isReturn = byte == UInt8(ascii: "\r")
    let isFeed = byte == UInt8(ascii: "\n")
    let isText = byte == UInt8(ascii: "\t") || byte >= 0x20 && byte != 0x7F
    switch state {
    case .size(let digitCount):
      if let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 {
        guard digitCount < 15 else { throw .bodyTooLarge(limit: maximumByteCount) }
        remaining = remaining << 4 | digit
        guard remaining <= maximumByteCount &- body.count else { throw .bodyTooLarge(limit: maximumByteCount) }
        state = .size(digitCount: digitCount &+ 1)
      } else {
        guard digitCount > 0, isReturn || byte == UInt8(ascii: ";") else { throw .malformedChunk }
        state = isReturn ? .sizeFeed : .extension(isEmpty: true, isQuoted: false, isEscaped: false)
      }
    case .extension(let isEmpty, let isQuoted, let isEscaped):
      guard isReturn ? !isEmpty && !isQuoted : isText else { throw .malformedChunk }
      let isQuote = byte == UInt8(ascii: "\"") && !isEscaped
      state =
        isReturn
        ? .sizeFeed
        : .extension(
          isEmpty: isEmpty && (byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")),
          isQuoted: isQuoted != isQuote, isEscaped: isQuoted && !isEscaped && byte == UInt8(ascii: "\\"))
    case .sizeFeed:
      guard isFeed else { throw .malformedChunk }
      state = remaining == 0 ? .trailerStart : .data
    case .dataReturn:
      guard isReturn else { throw .malformedChunk }
      state = .dataFeed
    case .dataFeed:
      guard isFeed else { throw .malformedChunk }
      state = .size(digitCount: 0)
    case .trailerStart:
      guard isReturn || isText else { throw .malformedChunk }
      state = isReturn ? .lastFeed : .trailer
    case .trailer:
      guard isReturn || isText else { throw .malformedChunk }
      if isReturn { state = .trailerFeed }
    case .trailerFeed:
      guard isFeed else { throw .malformedChunk }
      state = .trailerStart
    case .lastFeed:
      guard isFeed else { throw .malformedChunk }
      state = .complete
    case .data, .complete:
      preconditionFailure("receive handles these")
    }
  }
}
