/// The status code of a Close frame (RFC 6455 section 7.4).
public struct CloseCode: RawRepresentable, Hashable, Sendable {
  /// The number on the wire.
  public let rawValue: UInt16

  /// Creates a code from its number, valid on the wire or not.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// 1000: the purpose of the connection is fulfilled.
  public static let normal = Self(rawValue: 1000)
  /// 1001: the endpoint goes away.
  public static let goingAway = Self(rawValue: 1001)
  /// 1002: the peer broke the protocol.
  public static let protocolError = Self(rawValue: 1002)
  /// 1003: a kind of data that this endpoint does not accept.
  public static let unsupportedData = Self(rawValue: 1003)
  /// 1005: a Close frame without a code.
  ///
  /// Never on the wire.
  public static let noStatus = Self(rawValue: 1005)
  /// 1006: the connection ended without a Close frame.
  ///
  /// Never on the wire.
  public static let abnormal = Self(rawValue: 1006)
  /// 1007: text that is not UTF-8.
  public static let invalidPayload = Self(rawValue: 1007)
  /// 1008: against this endpoint's policy.
  public static let policyViolation = Self(rawValue: 1008)
  /// 1009: a message beyond the limit.
  public static let messageTooBig = Self(rawValue: 1009)
  /// 1011: this endpoint met a condition that it did not expect.
  public static let internalError = Self(rawValue: 1011)

  /// Whether a Close frame may carry this code: 1000 to 1003, 1007 to 1014 and 3000 to 4999 (RFC 6455 section
  /// 7.4.2 and the registry of IANA).
  public var isAllowedOnWire: Bool {
    switch rawValue {
    case 1000...1003, 1007...1014, 3000...4999: true
    default: false
    }
  }
}
