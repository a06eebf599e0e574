import ParleyCrypto
import ParleyWire

/// A SHA-256 value: a statement's id, a link, a digest of terms.
public struct Hash256: Hashable, Sendable, CustomStringConvertible {
  /// Bytes in a hash.
  public static let byteCount = 32

  /// "No hash": 32 zero bytes.
  public static let zero = Hash256(words: (0, 0, 0, 0))

  private let word0: UInt64
  private let word1: UInt64
  private let word2: UInt64
  private let word3: UInt64

  private init(words: (UInt64, UInt64, UInt64, UInt64)) { (word0, word1, word2, word3) = words }

  /// Creates a hash from its bytes; `nil` unless there are ``byteCount``.
  public init?(_ bytes: [UInt8]) {
    var reader = ByteReader(bytes.rawSpan)
    guard let word0 = reader.readBigEndian(as: UInt64.self), let word1 = reader.readBigEndian(as: UInt64.self),
      let word2 = reader.readBigEndian(as: UInt64.self), let word3 = reader.readBigEndian(as: UInt64.self),
      reader.isAtEnd
    else { return nil }
    self.init(words: (word0, word1, word2, word3))
  }

  /// The hash's 32 bytes.
  public var bytes: [UInt8] {
    var bytes = [UInt8]()
    bytes.reserveCapacity(Self.byteCount)
    bytes.appendBigEndian(word0)
    bytes.appendBigEndian(word1)
    bytes.appendBigEndian(word2)
    bytes.appendBigEndian(word3)
    return bytes
  }

  /// Lower-case hexadecimal.
  public var description: String { bytes.hex }

  /// The hash of `label ‖ 00 ‖ parts`, the form of every hash of the protocol.
  static func tagged(_ label: String, _ parts: [UInt8]...) -> Hash256 {
    var hash = SHA256()
    hash.update(Array(label.utf8) + [0])
    for part in parts { hash.update(part) }
    guard let value = Hash256(hash.finalize()) else { preconditionFailure("SHA-256 gives 32 bytes") }
    return value
  }
}

/// The id of a statement: the hash of what it says, without its signatures.
public typealias StatementID = Hash256

/// The id of a dialogue; ``pair`` stands for statements about the pair itself.
public struct DialogueID: Hashable, Sendable, CustomStringConvertible {
  /// Bytes in a dialogue's id.
  public static let byteCount = 16

  /// Dialogue 0: about the pair.
  public static let pair = DialogueID(high: 0, low: 0)

  private let high: UInt64
  private let low: UInt64

  private init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Creates an id from its bytes; `nil` unless there are ``byteCount``.
  public init?(_ bytes: [UInt8]) {
    var reader = ByteReader(bytes.rawSpan)
    guard let high = reader.readBigEndian(as: UInt64.self), let low = reader.readBigEndian(as: UInt64.self),
      reader.isAtEnd
    else { return nil }
    self.init(high: high, low: low)
  }

  /// The id of the dialogue that a request with this nonce, 16 bytes, opens.
  public init(requester: String, responder: String, nonce: [UInt8]) {
    var parties = [UInt8]()
    parties.appendLengthPrefixed(Array(requester.utf8))
    parties.appendLengthPrefixed(Array(responder.utf8))
    guard let id = Self(Array(Hash256.tagged("parley/neg1 dialogue", parties, nonce).bytes[..<Self.byteCount])) else {
      preconditionFailure("a hash has more bytes than an id")
    }
    self = id
  }

  /// The id's 16 bytes.
  public var bytes: [UInt8] {
    var bytes = [UInt8]()
    bytes.appendBigEndian(high)
    bytes.appendBigEndian(low)
    return bytes
  }

  /// Lower-case hexadecimal.
  public var description: String { bytes.hex }
}
