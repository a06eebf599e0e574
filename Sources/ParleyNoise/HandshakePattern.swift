/// Who sends which keys when, as data (Noise revision 34 section 7): what ``HandshakeState`` follows.
public struct HandshakePattern: Hashable, Sendable {
  /// One step of a message.
  public enum Token: Hashable, Sendable {
    /// An ephemeral key is sent.
    case e
    /// A static key is sent, encrypted if there is a key by now.
    case s
    /// Diffie-Hellman; the first letter is the initiator's key, the second the responder's.
    case ee, es, se, ss
    /// A pre-shared key is mixed in (section 9).
    case psk
    /// A KEM key is sent (Noise hybrid forward secrecy, revision 1).
    case e1
    /// What answers ``e1`` is sent: a KEM ciphertext, and its secret mixed in.
    case ekem1
  }

  /// The name with its modifiers, as it stands in the protocol's name: `XX`, `IKpsk2`, `XXhfs`.
  public let name: String
  /// Whether the responder knows the initiator's static key before the first message.
  public let knowsInitiator: Bool
  /// Whether the initiator knows the responder's static key before the first message.
  public let knowsResponder: Bool
  /// The messages, beginning with the initiator's; the sides take turns.
  public let messages: [[Token]]

  /// Whether only the initiator ever sends (section 7.4).
  public var isOneWay: Bool { messages.count == 1 }
  /// Whether a KEM takes part.
  public var isHybrid: Bool { messages.contains { $0.contains(.e1) } }
  /// How many pre-shared keys take part.
  public var pskCount: Int { messages.reduce(0) { $0 + $1.count { $0 == .psk } } }

  init(_ name: String, knows known: NoiseRole..., messages: [Token]...) {
    self.init(
      name: name, knowsInitiator: known.contains(.initiator), knowsResponder: known.contains(.responder),
      messages: messages)
  }

  private init(name: String, knowsInitiator: Bool, knowsResponder: Bool, messages: [[Token]]) {
    self.name = name
    self.knowsInitiator = knowsInitiator
    self.knowsResponder = knowsResponder
    self.messages = messages
  }

  /// Reads a name with its modifiers; `nil` for a pattern that is not in ``all`` or a pre-shared key where none can be.
  public init?(parsing name: some StringProtocol) {
    let start = name.firstRange(of: "psk")?.lowerBound ?? name.endIndex
    var base = String(name[..<start])
    // After another modifier Noise writes a plus sign; some implementations write none.
    if base.hasSuffix("hfs+"), start < name.endIndex { base.removeLast() }
    guard let pattern = Self.all.first(where: { $0.name == base }) else { return nil }
    var messages = pattern.messages
    let modifiers = start < name.endIndex ? name[start...].split(separator: "+", omittingEmptySubsequences: false) : []
    for modifier in modifiers {
      guard modifier.hasPrefix("psk"), modifier.utf8.count == 4, let number = Int(modifier.suffix(1)),
        number <= messages.count
      else {
        return nil
      }
      // psk0 begins the first message, and each other ends the message of its number.
      let index = max(number - 1, 0)
      let place = number == 0 ? 0 : messages[index].count
      guard number == 0 ? messages[index].first != .psk : messages[index].last != .psk else { return nil }
      messages[index].insert(.psk, at: place)
    }
    self.init(
      name: String(name), knowsInitiator: pattern.knowsInitiator, knowsResponder: pattern.knowsResponder,
      messages: messages)
  }
}
