internal import ParleyWire

/// Gathers the bytes of one HTTP/1.1 head, up to its empty line, and refuses at the first byte that cannot be in one.
public struct HTTPHeadReader: Sendable {
  private enum State {
    /// Before the first line, where one empty line is skipped (RFC 9112 section 2.2).
    case start
    case afterLeadingReturn
    case inLine
    case afterReturn
    case lineStart
    case afterLastReturn
    case complete
  }

  private let limits: WebSocketLimits
  private var state = State.start
  private var lineCount = 0
  private var skippedCount = 0
  /// The head's bytes so far, without a leading empty line.
  private var bytes: [UInt8] = []

  /// Starts before the first byte.
  public init(limits: WebSocketLimits = .init()) { self.limits = limits }

  /// Whether the empty line has come.
  public var isComplete: Bool { state == .complete }

  /// Takes in bytes up to the head's end.
  ///
  /// - Returns: how many bytes belong to the head; fewer than there are only when it is complete.
  /// - Throws: `headTooLarge`, `tooManyFields`, `invalidByte`, `bareLineFeed`, `bareCarriageReturn`, or
  ///   `malformedRequestLine` for a second empty line at the start. The reader is
  ///   then spent.
  public mutating func receive(_ input: RawSpan) throws(HTTPError) -> Int {
    var reader = ByteReader(input)
    while state != .complete, !reader.isAtEnd {
      let room = limits.maximumHeadByteCount &- bytes.count &- skippedCount
      guard room > 0 else { throw .headTooLarge(limit: limits.maximumHeadByteCount) }
      // Most bytes are the inside of a line: they are taken many at a time.
      if state == .inLine {
        let rest = input.extracting(reader.consumed..<(reader.consumed &+ min(room, reader.remaining)))
        let count = HTTPSyntax.textPrefixCount(rest)
        if count > 0, let text = reader.read(count: count) {
          bytes.append(contentsOf: text)
          continue
        }
      }
      if let byte = reader.readUInt8() { try step(byte) }
    }
    return reader.consumed
  }

  private mutating func step(_ byte: UInt8) throws(HTTPError) {
    let isReturn = byte == UInt8(ascii: "\r")
    let isFeed = byte == UInt8(ascii: "\n")
    switch state {
    case .start where isReturn, .afterLeadingReturn where isFeed:
      skippedCount &+= 1
      state = isReturn ? .afterLeadingReturn : .lineStart
      return
    case .afterLeadingReturn:
      throw .bareCarriageReturn
    case .afterReturn, .afterLastReturn:
      guard isFeed else { throw .bareCarriageReturn }
      state = state == .afterReturn ? .lineStart : .complete
    case .start, .inLine, .lineStart:
      guard !isFeed else { throw .bareLineFeed }
      if isReturn {
        guard state != .lineStart || lineCount > 0 else { throw .malformedRequestLine }
        state = state == .lineStart ? .afterLastReturn : .afterReturn
      } else {
        guard HTTPSyntax.isTextByte(byte) else { throw .invalidByte(byte) }
        if state != .inLine {
          lineCount &+= 1
          guard lineCount &- 1 <= limits.maximumFieldCount else {
            throw .tooManyFields(limit: limits.maximumFieldCount)
          }
        }
        state = .inLine
      }
    case .complete:
      preconditionFailure("receive stops at the end")
    }
    bytes.append(byte)
  }

  /// The head's lines without their ends and without the empty one; the first is the start line.
  ///
  /// - Precondition: `isComplete`.
  func lines() -> [ArraySlice<UInt8>] {
    precondition(isComplete)
    // Every CR here is followed by LF, and every LF preceded by CR.
    return bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true).map { $0.dropLast() }
      .filter { !$0.isEmpty }
  }
}
