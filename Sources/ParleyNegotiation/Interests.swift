internal import ParleyWire

/// A subject of requests, such as `option/BTC`: what makers say that they are interested in, and what a request may be
/// addressed to in place of a name.
///
/// 1 to 64 bytes: letters, digits, `.`, `_` and `-`, in parts that `/` separates; none of them empty.
public struct Topic: Hashable, Sendable, CustomStringConvertible {
  /// The longest topic, in bytes.
  public static let byteLimit = 64

  /// The topic's text.
  public let description: String

  /// Reads a topic; `nil` for a text that is none.
  public init?(_ text: String) {
    let bytes = Array(text.utf8)
    func isPlain(_ byte: UInt8) -> Bool {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
      case UInt8(ascii: "0")...UInt8(ascii: "9"): true
      case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
      default: false
      }
    }
    let parts = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard bytes.count <= Self.byteLimit, parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy(isPlain) }) else { return nil }
    description = text
  }

  init(bytes: [UInt8]) throws(Fault) {
    guard let text = String(validating: bytes, as: UTF8.self), let topic = Topic(text) else {
      throw Fault(.malformed, "no topic")
    }
    self = topic
  }
}

/// What one side of a channel is interested in: a message of `/parley/interests/1`
/// (docs/protocol/negotiation.md section 7.4).
///
///     [1, [topic, topic, ...]]
public struct Interests: Hashable, Sendable {
  /// The protocol's name.
  public static let protocolName = "/parley/interests/1"
  /// The most topics.
  public static let countLimit = 32
  /// The longest message, in bytes.
  public static let byteLimit = 8 + countLimit * (2 + Topic.byteLimit)

  /// No topic.
  public static let none = Interests(sorted: [])

  /// The topics, in the order of their bytes.
  public let topics: [Topic]

  private init(sorted topics: [Topic]) { self.topics = topics }

  /// Declares topics; one said twice counts once.
  ///
  /// - Returns: `nil` for more than ``countLimit``.
  public init?(_ topics: some Sequence<Topic>) {
    let sorted = Set(topics).sorted { $0.description.utf8.lexicographicallyPrecedes($1.description.utf8) }
    guard sorted.count <= Self.countLimit else { return nil }
    self.init(sorted: sorted)
  }

  /// Reads a message.
  ///
  /// - Throws: ``Fault`` with MALFORMED: another form, too many, out of order or twice.
  public init(decoding bytes: [UInt8]) throws(Fault) {
    guard bytes.count <= Self.byteLimit else { throw Fault(.malformed) }
    var reader = try FieldReader(bytes.rawSpan, count: 2, base: 0)
    _ = try reader.int(1, in: 1...1)
    var topics: [Topic] = []
    for _ in 0..<(try reader.array(2, in: 0...Self.countLimit)) {
      let topic = try Topic(bytes: Array(try reader.string(2, limit: Topic.byteLimit).utf8))
      if let last = topics.last, !last.description.utf8.lexicographicallyPrecedes(topic.description.utf8) {
        throw Fault(.malformed, field: 2)
      }
      topics.append(topic)
    }
    try reader.finish()
    self.init(sorted: topics)
  }

  /// The message.
  public var encoded: [UInt8] {
    var writer = MessagePackWriter(reservingCapacity: 8 + topics.count * 16)
    writer.appendArray(count: 2)
    writer.append(1 as UInt8)
    writer.appendArray(count: topics.count)
    for topic in topics { writer.append(topic.description) }
    return writer.bytes
  }
}

extension Header {
  /// The extension of a QuoteRequest that names its topic.
  static let topicExtension: UInt16 = 16

  /// The topic that a request is addressed to; `nil` where none is named.
  ///
  /// - Throws: MALFORMED for bytes that are no topic.
  func topic() throws(Fault) -> Topic? {
    guard let found = extensions.first(where: { $0.id == Self.topicExtension }) else { return nil }
    do throws(Fault) {
      return try Topic(bytes: found.value)
    } catch {
      throw Fault(.malformed, field: 13, "no topic")
    }
  }
}

extension PairSession {
  /// Why a request that is addressed to a topic is not taken here (section 7.4); `nil` when it is, or names this node.
  func topicFault(_ request: QuoteRequest, _ header: Header) -> Fault? {
    guard request.isTopic else { return nil }
    do throws(Fault) {
      guard let topic = try header.topic() else { return Fault(.malformed, field: 13, "a request to no topic") }
      return policy.interests.contains(topic) ? nil : Fault(.policy, field: 109, "not a topic of this node's")
    } catch {
      return error
    }
  }
}
