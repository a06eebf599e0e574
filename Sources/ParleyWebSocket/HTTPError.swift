/// Why an HTTP/1.1 head, an opening handshake or a chunked body was refused.
///
/// Every case is the peer's fault. A server answers with ``status`` and closes the connection; a client closes it.
public enum HTTPError: Error, Hashable, Sendable {
  // The head as bytes (RFC 9112 sections 2 to 5).

  /// A head longer than the limit.
  case headTooLarge(limit: Int)
  /// More header fields than the limit.
  case tooManyFields(limit: Int)
  /// A control character, among them NUL, in a head.
  case invalidByte(UInt8)
  /// A line feed without a carriage return before it.
  case bareLineFeed
  /// A carriage return without a line feed after it.
  case bareCarriageReturn
  /// A request line that is not `method SP target SP HTTP-version`.
  case malformedRequestLine
  /// A status line that is not `HTTP-version SP status SP reason`.
  case malformedStatusLine
  /// A version other than HTTP/1.1 or HTTP/1.0.
  case unsupportedHTTPVersion
  /// A field line without a colon, with an empty name, or with a name that is not a token.
  case malformedField
  /// A continuation of the line before (obs-fold).
  case lineFolding
  /// A field that may be there once is there twice. The value is its name in lower case.
  case duplicateField(String)
  /// A request without `Host`, or with one that is not a host and port.
  case invalidHost
  /// A `Content-Length` that is not a number of bytes.
  case invalidContentLength
  /// A `Transfer-Encoding` other than `chunked`, once, in HTTP/1.1.
  case invalidTransferEncoding
  /// `Content-Length` and `Transfer-Encoding` together: a smuggling attempt.
  case conflictingFraming

  // A body.

  /// A chunk size, a chunk's end or a trailer against RFC 9112 section 7.1.
  case malformedChunk
  /// A body longer than the limit.
  case bodyTooLarge(limit: Int)

  // The opening handshake as a server sees it (RFC 6455 section 4.2.1).

  /// A method other than GET, or HTTP/1.0.
  case notAnUpgrade
  /// An upgrade request with a body.
  case unexpectedBody
  /// No `Upgrade: websocket`.
  case missingUpgrade
  /// No `Connection: Upgrade`.
  case missingConnectionUpgrade
  /// `Sec-WebSocket-Key` is missing or is not 16 bytes in base64.
  case invalidKey
  /// `Sec-WebSocket-Version` is not 13; the answer names 13.
  case unsupportedWebSocketVersion
  /// A `Host` that this server does not answer to.
  case hostRefused
  /// An `Origin`: a browser, where none is expected.
  case originRefused
  /// A `Sec-WebSocket-Protocol` that is not a list of tokens, or a `Sec-WebSocket-Extensions` against the grammar of RFC
  /// 6455 section 9.1.
  case malformedOffer
  /// None of the subprotocols that this server speaks was offered.
  case noCommonSubprotocol
  /// Bytes came after the request before the answer was sent.
  case earlyData

  // The opening handshake as a client sees it (RFC 6455 section 4.1).

  /// The server answered with another status than 101.
  case refused(status: Int)
  /// The answer has no `Upgrade: websocket` or no `Connection: Upgrade`.
  case malformedAnswer
  /// `Sec-WebSocket-Accept` does not answer the key that was sent.
  case wrongAccept
  /// The server chose an extension that was not offered.
  case unofferedExtension
  /// The server agreed to permessage-deflate with parameters that RFC 7692 section 7.1 does not allow, or that do not
  /// grant what was asked for.
  case invalidExtensionAnswer
  /// The server chose a subprotocol that was not offered.
  case unofferedSubprotocol

  /// The status code a server answers with.
  public var status: Int {
    switch self {
    case .headTooLarge, .tooManyFields: 431
    case .bodyTooLarge: 413
    case .unsupportedHTTPVersion: 505
    case .unsupportedWebSocketVersion: 426
    case .hostRefused: 421
    case .originRefused: 403
    default: 400
    }
  }
}
