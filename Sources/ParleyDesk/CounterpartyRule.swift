/// What is known of a counterparty when lists are held against it: its DID and what its document says.
public struct DeskPeer: Hashable, Sendable {
  /// Its DID, in the short form.
  public var did: String
  /// The host that a did:web or did:webvh names, in lower case; `nil` for other methods.
  public var host: String?
  /// The types of the services in its document.
  public var services: [String]
  /// `alsoKnownAs` in its document.
  public var alsoKnownAs: [String]
  /// `controller` in its document.
  public var controllers: [String]

  /// Describes a counterparty.
  public init(
    did: String, host: String? = nil, services: [String] = [], alsoKnownAs: [String] = [], controllers: [String] = []
  ) {
    self.did = did
    self.host = host
    self.services = services
    self.alsoKnownAs = alsoKnownAs
    self.controllers = controllers
  }
}

/// One line of a list of counterparties.
///
/// A DID document is its subject's own word: `service`, `alsoKnownAs` and `controller` are for denying, and for allowing
/// those whose documents somebody else keeps (a did:web of a domain that only members have).
public enum CounterpartyRule: Hashable, Sendable, CustomStringConvertible {
  /// This DID.
  case did(String)
  /// A did:web or did:webvh on this host; `*.` in front for every host below it.
  case web(String)
  /// A document with a service of this type.
  case service(String)
  /// A document that says it is also known as this; `*` at the end for all that begin so.
  case alsoKnownAs(String)
  /// A document that names this controller.
  case controller(String)

  /// Whether the rule is about this counterparty.
  public func matches(_ peer: DeskPeer) -> Bool {
    switch self {
    case .did(let did): Self.same(did, peer.did)
    case .web(let pattern): peer.host.map { Self.matches(host: $0, pattern) } ?? false
    case .service(let type): peer.services.contains { Self.same(type, $0) }
    case .alsoKnownAs(let pattern): peer.alsoKnownAs.contains { Self.matches(text: $0, pattern) }
    case .controller(let did): peer.controllers.contains { Self.same(did, $0) }
    }
  }

  /// The rule as a line.
  public var description: String {
    switch self {
    case .did(let did): did
    case .web(let pattern): "web \(pattern)"
    case .service(let type): "service \(type)"
    case .alsoKnownAs(let pattern): "alsoKnownAs \(pattern)"
    case .controller(let did): "controller \(did)"
    }
  }

  /// Swift's own equality of texts is that of Unicode, under which different bytes are the same.
  private static func same(_ left: String, _ right: String) -> Bool { left.utf8.elementsEqual(right.utf8) }

  private static func matches(host: String, _ pattern: String) -> Bool {
    let (host, pattern) = (Array(host.utf8), Array(pattern.utf8))
    guard pattern.starts(with: Array("*.".utf8)) else { return host == pattern }
    let tail = pattern.dropFirst()
    return host.count > tail.count && host.suffix(tail.count).elementsEqual(tail)
  }

  private static func matches(text: String, _ pattern: String) -> Bool {
    guard pattern.utf8.last == UInt8(ascii: "*") else { return same(text, pattern) }
    return text.utf8.starts(with: pattern.utf8.dropLast())
  }
}
