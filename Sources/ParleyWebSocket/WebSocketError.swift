/// How the peer broke RFC 6455 or went past a limit.
///
/// Every case is the peer's fault and ends the connection: a ``WebSocketMachine`` that has thrown one takes in no
/// further byte, and its next ``WebSocketMachine/poll(now:into:)`` writes a Close frame with ``closeCode``.
public enum WebSocketError: Error, Hashable, Sendable {
  /// Reserved bits were set with no extension agreed (section 5.2). The bits are RSV1 to RSV3, RSV1 highest.
  case reservedBits(UInt8)
  /// An opcode without a meaning (section 5.2).
  case reservedOpcode(UInt8)
  /// A frame from a client without a mask (section 5.1).
  case unmaskedFrame
  /// A frame from a server with a mask (section 5.1).
  case maskedFrame
  /// A length in more bytes than it needs (section 5.2).
  case nonMinimalLength(UInt64)
  /// An eight-byte length with its top bit set (section 5.2).
  case lengthTopBitSet
  /// A control frame of more than 125 bytes (section 5.5). The value is its seven-bit length.
  case controlFrameTooLong(UInt8)
  /// A control frame without FIN (section 5.5).
  case fragmentedControlFrame
  /// A continuation frame with nothing to continue (section 5.4).
  case unexpectedContinuation
  /// A new data frame before the last message was complete (section 5.4).
  case interleavedMessage
  /// A message beyond ``WebSocketLimits/maximumMessageByteCount``.
  case messageTooBig(limit: Int)
  /// A message in more frames than ``WebSocketLimits/maximumFragmentCount``.
  case tooManyFragments(limit: Int)
  /// A frame that is not a message's last and has fewer bytes than ``WebSocketLimits/minimumFragmentByteCount``.
  case fragmentTooSmall(limit: Int)
  /// A text message or a close reason that is not UTF-8 (section 8.1).
  case invalidUTF8
  /// A Close frame whose body is one byte (section 5.5.1).
  case truncatedCloseCode
  /// A close code that must not be on the wire (section 7.4).
  case invalidCloseCode(CloseCode)
  /// A compressed message that is not DEFLATE data (RFC 7692 section 7.2.2).
  case invalidDeflateData
  /// A compressed message that grows beyond ``WebSocketLimits/maximumInflationRatio`` times its size.
  case inflationRatioExceeded(limit: Int)
  /// More pings a second than ``WebSocketLimits/maximumPingsPerSecond``.
  case tooManyPings(limit: Int)
  /// A text message where ``WebSocketLimits/acceptsText`` is off.
  case textNotAccepted
  /// Anything but a whole binary message or a Close frame while
  /// ``WebSocketMachine/admitsOnlyBinaryMessages`` is on.
  case onlyBinaryMessagesAdmitted

  /// The code that tells the peer why (RFC 6455 section 7.4.1).
  public var closeCode: CloseCode {
    switch self {
    case .invalidUTF8, .invalidDeflateData: .invalidPayload
    case .messageTooBig, .inflationRatioExceeded: .messageTooBig
    case .textNotAccepted: .unsupportedData
    case .tooManyFragments, .fragmentTooSmall, .tooManyPings, .onlyBinaryMessagesAdmitted: .policyViolation
    case .reservedBits, .reservedOpcode, .unmaskedFrame, .maskedFrame, .nonMinimalLength, .lengthTopBitSet,
      .controlFrameTooLong, .fragmentedControlFrame, .unexpectedContinuation, .interleavedMessage, .truncatedCloseCode,
      .invalidCloseCode:
      .protocolError
    }
  }
}
