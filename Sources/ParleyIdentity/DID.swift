import ParleyWire

/// A decentralized identifier (W3C DID Core 1.0 section 3.1) in the one spelling that Parley accepts.
///
/// DIDs are compared byte by byte, so what could be written in two ways is refused: `did` and the method name are
/// in lower case (DID Core), the host of a did:web or did:webvh too, and these percent-encode nothing but the colon
/// before their port. All characters are ASCII, so Swift's `==` on ``string`` is the comparison of bytes.
public struct DID: Hashable, Sendable, CustomStringConvertible {
  /// A DID method.
  public enum Method: Hashable, Sendable {
    /// did:key: the DID is the key.
    case key
    /// did:jwk: the DID is a JSON Web Key.
    case jwk
    /// did:peer:2: the DID is a list of keys and services.
    case peer2
    /// did:peer:4 in its short or its long form.
    case peer4
    /// did:web: the document is at a URL.
    case web
    /// did:webvh: the document's whole signed history is at a URL.
    case webvh
    /// Another one, by its name; nothing here resolves it.
    case other(String)
  }

  /// Characters of a DID that a message carries.
  public static let characterLimit = 255
  /// Characters of a DID that holds a whole document: the long form of a did:peer:4, and a did:peer:2.
  public static let longFormCharacterLimit = 12_288

  /// The whole DID.
  public let string: String
  /// Its method.
  public let method: Method

  /// Reads a DID.
  ///
  /// - Throws: ``IdentityError/malformedDID(_:)``.
  public init(parsing text: String) throws(IdentityError) {
    guard let method = Self.method(of: text) else { throw .malformedDID(IdentityError.cut(text)) }
    string = text
    self.method = method
  }

  /// What comes behind the method's name and its colon.
  public var methodSpecificID: Substring {
    // Bytes, because finding characters is a hundred times the work.
    let bytes = string.utf8
    guard let first = bytes.firstIndex(of: UInt8(ascii: ":")),
      let second = bytes[bytes.index(after: first)...].firstIndex(of: UInt8(ascii: ":"))
    else { return "" }
    return string[bytes.index(after: second)...]
  }

  /// Whether this is the long form of a did:peer:4.
  public var isLongForm: Bool { method == .peer4 && methodSpecificID.utf8.contains(UInt8(ascii: ":")) }

  /// The form in which messages name this DID: for the long form of a did:peer:4 its short form, else itself.
  public var shortForm: DID {
    guard isLongForm, let end = string.utf8.lastIndex(of: UInt8(ascii: ":")) else { return self }
    return DID(checked: String(string[..<end]), method)
  }

  /// The DID as text.
  public var description: String { string }

  private init(checked string: String, _ method: Method) {
    self.string = string
    self.method = method
  }

  // MARK: Reading

  /// The method of a well-formed DID; `nil` for any other text.
  private static func method(of text: String) -> Method? {
    let bytes = Array(text.utf8)
    guard bytes.count <= longFormCharacterLimit, bytes.starts(with: "did:".utf8) else { return nil }
    let rest = bytes.dropFirst(4)
    let name = rest.prefix { isLowerAlphanumeric($0) }
    let specific = rest.dropFirst(name.count + 1)
    guard !name.isEmpty, rest.dropFirst(name.count).first == UInt8(ascii: ":"), isSpecificID(specific) else {
      return nil
    }
    let id = String(decoding: specific, as: UTF8.self)
    guard let method = method(named: String(decoding: name, as: UTF8.self), id) else { return nil }
    let holdsDocument = method == .peer2 || (method == .peer4 && id.contains(":"))
    return holdsDocument || bytes.count <= characterLimit ? method : nil
  }

  /// The method of this name, if the id is one of it in the one spelling that Parley accepts.
  private static func method(named name: String, _ id: String) -> Method? {
    switch name {
    case "key": .key
    case "jwk": DIDJWK.isWellFormed(id) ? .jwk : nil
    case "peer":
      switch id.utf8.first {
      case UInt8(ascii: "2"): DIDPeer2.isWellFormed(id) ? .peer2 : nil
      case UInt8(ascii: "4"): DIDPeer4.isWellFormed(id) ? .peer4 : nil
      default: isOtherPeer(id) ? .other(name) : nil
      }
    case "web": DIDWeb.isWellFormed(id) ? .web : nil
    case "webvh": DIDWebVH.isWellFormed(id) ? .webvh : nil
    case let name: .other(name)
    }
  }

  /// Whether this is the id of a did:peer of a variant that nothing here resolves: 0, 1 or 3 and a text in base 58.
  private static func isOtherPeer(_ id: String) -> Bool {
    let least = id.hasPrefix("0z") ? 1 : 46
    return ["0z", "1z", "3z"].contains { id.hasPrefix($0) } && isBase58(id.dropFirst(2), atLeast: least)
  }

  /// Whether these are characters of base 58 (Bitcoin), at least so many.
  static func isBase58(_ text: some StringProtocol, atLeast least: Int) -> Bool {
    text.utf8.count >= least && text.utf8.allSatisfy { isAlphanumeric($0) && !"0OIl".utf8.contains($0) }
  }

  /// `*( *idchar ":" ) 1*idchar`, idchar being a letter, a digit, `.`, `-`, `_` or a percent-encoded byte.
  private static func isSpecificID(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard let last = bytes.last, last != UInt8(ascii: ":") else { return false }
    var hexDigitsDue = 0
    for byte in bytes {
      if hexDigitsDue > 0 {
        guard isHexDigit(byte) else { return false }
        hexDigitsDue -= 1
      } else if byte == UInt8(ascii: "%") {
        hexDigitsDue = 2
      } else {
        guard isAlphanumeric(byte) || isMark(byte) else { return false }
      }
    }
    return hexDigitsDue == 0
  }

  /// One of `.`, `-`, `_` and `:`.
  private static func isMark(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: ":"): true
    default: false
    }
  }

  static func isLowerAlphanumeric(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "a") < 26 || isDigit(byte) }

  static func isAlphanumeric(_ byte: UInt8) -> Bool { (byte | 0x20) &- UInt8(ascii: "a") < 26 || isDigit(byte) }

  static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

  private static func isHexDigit(_ byte: UInt8) -> Bool {
    isDigit(byte) || (UInt8(ascii: "A")...UInt8(ascii: "F")).contains(byte)
      || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
  }
}

/// A DID and a fragment, which together name one verification method or service of a document.
public struct DIDURL: Hashable, Sendable, CustomStringConvertible {
  /// Characters of a fragment.
  public static let fragmentLimit = 255

  /// The DID.
  public let did: DID
  /// What follows the `#`.
  public let fragment: String

  /// Joins a DID and a fragment.
  ///
  /// - Throws: ``IdentityError/malformedDIDURL(_:)`` unless the fragment is one to ``fragmentLimit`` letters, digits,
  ///   `-`, `.`, `_`, `~`, `:`.
  public init(did: DID, fragment: String) throws(IdentityError) {
    let isWellFormed = fragment.utf8.allSatisfy { DID.isAlphanumeric($0) || "-._~:".utf8.contains($0) }
    guard isWellFormed, (1...Self.fragmentLimit).contains(fragment.utf8.count) else {
      throw .malformedDIDURL(IdentityError.cut("#" + fragment))
    }
    self.did = did
    self.fragment = fragment
  }

  /// Reads `did:...#fragment`, or `#fragment` alone where a base is given.
  ///
  /// - Throws: ``IdentityError/malformedDIDURL(_:)``, also for a URL with a path or a query.
  public init(parsing text: String, relativeTo base: DID? = nil) throws(IdentityError) {
    let bytes = Array(text.utf8)
    guard let mark = bytes.firstIndex(of: UInt8(ascii: "#")) else {
      throw .malformedDIDURL(IdentityError.cut(text))
    }
    let fragment = String(decoding: bytes[(mark + 1)...], as: UTF8.self)
    if mark == 0, let base {
      try self.init(did: base, fragment: fragment)
    } else if let did = try? DID(parsing: String(decoding: bytes[..<mark], as: UTF8.self)) {
      try self.init(did: did, fragment: fragment)
    } else {
      throw .malformedDIDURL(IdentityError.cut(text))
    }
  }

  /// `did#fragment`.
  public var string: String { did.string + "#" + fragment }

  /// The URL as text.
  public var description: String { string }
}
