import ParleyWire

/// The header of a yamux frame (yamux specification, "Framing").
///
///     version u8 = 0 │ type u8 │ flags u16 │ stream u32 │ length u32
///
/// Only a data frame has something behind its header: `length` bytes.
struct YamuxFrame: Hashable, Sendable {
  static let headerByteCount = 12

  enum Kind: UInt8, Sendable {
    case data
    /// `length` is how much more the receiver may send.
    case windowUpdate
    /// `length` is a value to send back.
    case ping
    /// `length` is a ``YamuxGoAway``.
    case goAway
  }

  struct Flags: OptionSet, Hashable, Sendable {
    let rawValue: UInt16

    /// A stream begins, or a ping asks.
    static let syn = Flags(rawValue: 1)
    /// A stream is accepted, or a ping answers.
    static let ack = Flags(rawValue: 2)
    /// The sender has sent all.
    static let fin = Flags(rawValue: 4)
    /// The stream ends at once.
    static let rst = Flags(rawValue: 8)

    static let all: Flags = [.syn, .ack, .fin, .rst]
  }

  var kind: Kind
  var flags: Flags = []
  var stream: UInt32 = 0
  var length: UInt32 = 0

  func encode(into output: inout [UInt8]) {
    output.append(0)
    output.append(kind.rawValue)
    output.appendBigEndian(flags.rawValue)
    output.appendBigEndian(stream)
    output.appendBigEndian(length)
  }

  /// Reads a header.
  ///
  /// - Precondition: there are ``headerByteCount`` bytes.
  static func decode(_ bytes: RawSpan) throws(YamuxError) -> YamuxFrame {
    var reader = ByteReader(bytes)
    guard let version = reader.readUInt8(), let type = reader.readUInt8(),
      let rawFlags = reader.readBigEndian(as: UInt16.self), let stream = reader.readBigEndian(as: UInt32.self),
      let length = reader.readBigEndian(as: UInt32.self)
    else {
      preconditionFailure("a header has \(headerByteCount) bytes")
    }
    guard version == 0 else { throw .unknownVersion(version) }
    guard let kind = Kind(rawValue: type) else { throw .unknownType(type) }
    let flags = Flags(rawValue: rawFlags)
    guard flags.isSubset(of: .all) else { throw .unknownFlags(rawFlags) }
    let frame = YamuxFrame(kind: kind, flags: flags, stream: stream, length: length)
    guard (stream == 0) == (kind == .ping || kind == .goAway) else { throw .misplacedStream(stream) }
    return frame
  }
}

/// Why a session ends, as a go-away frame says it.
public enum YamuxGoAway: Hashable, Sendable {
  /// All is well.
  case normal
  /// The receiver of this has broken the protocol.
  case protocolError
  /// The sender of this has failed.
  case internalError
  /// A reason that the specification does not have.
  case other(UInt32)

  init(code: UInt32) {
    self =
      switch code {
      case 0: .normal
      case 1: .protocolError
      case 2: .internalError
      default: .other(code)
      }
  }

  var code: UInt32 {
    switch self {
    case .normal: 0
    case .protocolError: 1
    case .internalError: 2
    case .other(let code): code
    }
  }
}
