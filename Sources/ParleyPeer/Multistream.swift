import ParleyWire

/// multistream-select 1.0.0: two sides agree on the name of what they speak next.
///
/// A message is a length as a varint, then the name, then a line feed, which the length counts.
public enum Multistream {
  /// What both sides say first.
  public static let header = "/multistream/1.0.0"
  /// The longest message, in bytes, its length not counted.
  public static let messageByteCountLimit = 1024
  /// How many names a listener turns down before it gives up.
  public static let proposalCountLimit = 32

  static let notAvailable = "na"

  /// The message with a name in it.
  ///
  /// - Precondition: the name has no line feed and is short enough.
  public static func encode(_ name: String) -> [UInt8] {
    let bytes = Array(name.utf8)
    precondition(!bytes.contains(lineFeed) && bytes.count < messageByteCountLimit)
    return Varint.encode(UInt64(bytes.count + 1)) + bytes + [lineFeed]
  }

  fileprivate static let lineFeed = UInt8(ascii: "\n")
}

/// How the peer broke the protocol; the machine that threw is of no further use.
public enum MultistreamError: Error, Hashable, Sendable {
  /// A message is longer than this many bytes.
  case messageTooLong(limit: Int)
  /// A message's length is no varint, or the message does not end in its line feed, or is not UTF-8.
  case malformed
  /// The peer's first message is another than ``Multistream/header``.
  case unexpectedHeader
  /// The peer answered with a name that was not proposed.
  case unexpectedAnswer
  /// The peer speaks nothing of what was proposed.
  case noneAvailable
  /// The peer has proposed so many names.
  case tooManyProposals(limit: Int)
  /// The name is already agreed on, or an earlier error ended this.
  case ended
}

/// What came out of it.
public struct MultistreamSelection: Hashable, Sendable {
  /// The name that both sides speak from here on.
  public let name: String
  /// Bytes that came after the agreement: they are of that protocol.
  public let rest: [UInt8]
}

/// The side that proposes.
///
///     ┌────────────────┐ header ┌────────────────┐ the name proposed
///     │ awaitingHeader │ ─────▶ │ awaitingAnswer │ ──────────────────▶ selected
///     └────────────────┘        └────────────────┘
///                                      │ ▲ na, and there is another name
///                                      └─┘
///
/// It sends its header and its first proposal together, without waiting: one round trip. Who has but one name may send on
/// at once too, before any answer (the optimistic form); what it sends is lost if the peer says `na`.
public struct MultistreamDialer: Sendable {
  private enum State { case awaitingHeader, awaitingAnswer, ended }

  private var state = State.awaitingHeader
  private var messages = MultistreamMessages()
  private var names: ArraySlice<String>
  private var output: [UInt8]

  /// Proposes names, the best first.
  ///
  /// - Precondition: there is one.
  public init(_ names: [String]) {
    guard let first = names.first else { preconditionFailure("nothing to propose") }
    self.names = names[...]
    output = Multistream.encode(Multistream.header) + Multistream.encode(first)
  }

  /// What is to be sent.
  public mutating func takeOutput() -> [UInt8] {
    defer { output = [] }
    return output
  }

  /// Takes what came.
  ///
  /// - Returns: The agreement, once there is one.
  /// - Throws: Why there is none.
  public mutating func receive(_ bytes: RawSpan) throws(MultistreamError) -> MultistreamSelection? {
    guard state != .ended else { throw .ended }
    let before = state
    state = .ended
    messages.append(bytes)
    var current = before
    while let name = try messages.next() {
      switch current {
      case .awaitingHeader:
        guard name == Multistream.header else { throw .unexpectedHeader }
        current = .awaitingAnswer
      case .awaitingAnswer:
        if name == names.first { return MultistreamSelection(name: name, rest: messages.rest) }
        guard name == Multistream.notAvailable else { throw .unexpectedAnswer }
        names = names.dropFirst()
        guard let next = names.first else { throw .noneAvailable }
        output += Multistream.encode(next)
      case .ended: throw .ended
      }
    }
    state = current
    return nil
  }
}

/// The side that answers.
///
/// It says `na` to every name that it does not speak; `ls`, which implementations disagree about and libp2p has dropped,
/// is such a name.
public struct MultistreamListener: Sendable {
  private enum State { case awaitingHeader, awaitingProposal, ended }

  private var state = State.awaitingHeader
  private var messages = MultistreamMessages()
  private let names: [String]
  private var proposalCount = 0
  private var output: [UInt8] = []

  /// Speaks these names.
  public init(_ names: [String]) { self.names = names }

  /// What is to be sent.
  public mutating func takeOutput() -> [UInt8] {
    defer { output = [] }
    return output
  }

  /// Takes what came.
  ///
  /// - Returns: The agreement, once there is one; the answer that makes it is in ``takeOutput()``.
  /// - Throws: Why there is none.
  public mutating func receive(_ bytes: RawSpan) throws(MultistreamError) -> MultistreamSelection? {
    guard state != .ended else { throw .ended }
    var current = state
    state = .ended
    messages.append(bytes)
    while let name = try messages.next() {
      switch current {
      case .awaitingHeader:
        guard name == Multistream.header else { throw .unexpectedHeader }
        output += Multistream.encode(Multistream.header)
        current = .awaitingProposal
      case .awaitingProposal:
        if names.contains(name) {
          output += Multistream.encode(name)
          return MultistreamSelection(name: name, rest: messages.rest)
        }
        proposalCount += 1
        guard proposalCount <= Multistream.proposalCountLimit else {
          throw .tooManyProposals(limit: Multistream.proposalCountLimit)
        }
        output += Multistream.encode(Multistream.notAvailable)
      case .ended: throw .ended
      }
    }
    state = current
    return nil
  }
}

/// Cuts a stream into messages.
private struct MultistreamMessages: Sendable {
  private var bytes: [UInt8] = []
  private var start = 0

  /// What was not read.
  var rest: [UInt8] { Array(bytes[start...]) }

  /// Adds bytes; those that were read are let go of, so that what is kept is one message at most and what came last.
  mutating func append(_ more: RawSpan) {
    bytes.removeFirst(start)
    start = 0
    bytes.append(contentsOf: more)
  }

  /// The next message without its line feed; `nil` when more bytes are needed.
  mutating func next() throws(MultistreamError) -> String? {
    let prefix: (value: UInt64, byteCount: Int)
    // Two bytes hold every length that is allowed.
    let first = Array(bytes[start...].prefix(2))
    do throws(MultiformatError) {
      prefix = try Varint.decode(first)
    } catch {
      guard error == .truncated else { throw .malformed }
      guard first.count < 2 else { throw .messageTooLong(limit: Multistream.messageByteCountLimit) }
      return nil
    }
    guard prefix.value <= UInt64(Multistream.messageByteCountLimit) else {
      throw .messageTooLong(limit: Multistream.messageByteCountLimit)
    }
    let from = start + prefix.byteCount
    guard prefix.value > 0 else { throw .malformed }
    let end = from + Int(prefix.value)
    guard end <= bytes.count else { return nil }
    guard bytes[end - 1] == Multistream.lineFeed,
      let name = String(validating: bytes[from..<(end - 1)], as: UTF8.self)
    else {
      throw .malformed
    }
    start = end
    return name
  }
}
