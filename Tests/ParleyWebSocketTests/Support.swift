import ParleyWire
import Testing

@testable import ParleyWebSocket

/// A fixed time to count from.
let epoch = MonotonicTime(nanoseconds: 1_000_000_000_000)

/// The key of RFC 6455 section 5.7's examples.
let sampleKey = MaskingKey(0x37, 0xFA, 0x21, 0x3D)

/// Limits of an endpoint that takes everything the RFC allows.
var openLimits: WebSocketLimits {
  var limits = WebSocketLimits()
  limits.maximumMessageByteCount = 1 << 20
  limits.maximumFragmentCount = 1000
  limits.minimumFragmentByteCount = 0
  limits.acceptsText = true
  return limits
}

/// A machine with a driver around it that copies everything out.
struct Endpoint: ~Copyable {
  /// What a driver saw, payloads copied.
  enum Seen: Hashable {
    case text(String)
    case binary([UInt8])
    case close(CloseCode, String)
    case failure(WebSocketError)
  }

  var machine: WebSocketMachine
  var seen: [Seen] = []
  var output: [UInt8] = []
  var action: WebSocketMachine.Action?
  var now = epoch

  init(
    _ role: WebSocketMachine.Role, _ limits: WebSocketLimits = openLimits,
    deflate agreement: PermessageDeflate.Agreement? = nil, options: PermessageDeflate.Options = .init(),
    pool: DeflatePool = .init()
  ) {
    let endpoint = WebSocketEndpoint(role: role, limits: limits, deflate: options) { sampleKey }
    machine = WebSocketMachine(endpoint: endpoint, deflate: agreement.map { ($0, pool) }, now: epoch)
  }

  mutating func receive(_ input: [UInt8]) {
    var bytes = input
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    var position = 0
    do throws(WebSocketError) {
      while let event = try machine.receive(&raw, from: &position, now: now) {
        switch event {
        case .message(let kind, let range):
          note(kind, raw.bytes.extracting(range).withUnsafeBytes { [UInt8]($0) })
        case .assembledMessage(let kind): note(kind, machine.takeAssembled())
        case .ping: poll()
        case .close(let code): seen.append(.close(code, machine.closeReason))
        }
      }
      #expect(position == raw.byteCount)
    } catch {
      seen.append(.failure(error))
    }
    poll()
  }

  mutating func poll() { action = machine.poll(now: now, into: &output) }

  private mutating func note(_ kind: WebSocketMachine.MessageKind, _ payload: [UInt8]) {
    seen.append(kind == .text ? .text(String(decoding: payload, as: UTF8.self)) : .binary(payload))
  }
}

/// One frame as the other side would send it.
func frame(
  _ opcode: FrameOpcode, _ payload: [UInt8] = [], isFinal: Bool = true, masked: Bool = true
) -> [UInt8] {
  rawFrame((isFinal ? 0x80 : 0) | opcode.rawValue, payload, masked: masked)
}

/// A frame with any first byte, made without the code under test.
func rawFrame(_ first: UInt8, _ payload: [UInt8], masked: Bool = true) -> [UInt8] {
  var bytes = [first]
  let mask: UInt8 = masked ? 0x80 : 0
  switch payload.count {
  case ...125: bytes.append(mask | UInt8(payload.count))
  case ...65535: bytes += [mask | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
  default: bytes += [mask | 127] + (0..<8).map { UInt8(truncatingIfNeeded: payload.count >> (56 - 8 * $0)) }
  }
  let key: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
  if masked { bytes += key }
  return bytes + payload.enumerated().map { masked ? $1 ^ key[$0 & 3] : $1 }
}

/// Limits on a head that a test can reach.
var headLimits: WebSocketLimits {
  var limits = WebSocketLimits()
  limits.maximumHeadByteCount = 4096
  limits.maximumFieldCount = 32
  return limits
}

/// A request head from text with `\n` line ends.
func request(_ text: String, limits: WebSocketLimits = headLimits) throws(HTTPError) -> HTTPRequestHead {
  try HTTPRequestHead(head(Array(text.replacing("\n", with: "\r\n").utf8), limits: limits))
}

/// A head reader that has taken in all of `bytes`.
func head(_ bytes: [UInt8], limits: WebSocketLimits = headLimits) throws(HTTPError) -> HTTPHeadReader {
  var reader = HTTPHeadReader(limits: limits)
  let count = try reader.receive(bytes)
  guard reader.isComplete else { throw .malformedField }
  precondition(count <= bytes.count)
  return reader
}

// A borrowed span cannot come from a slice in the middle of an expression, so these copy.

extension HTTPHeadReader {
  mutating func receive(_ bytes: some Sequence<UInt8>) throws(HTTPError) -> Int {
    let copy = Array(bytes)
    return try receive(copy.rawSpan)
  }
}

extension ChunkedBodyReader {
  mutating func receive(_ bytes: some Sequence<UInt8>) throws(HTTPError) -> Int {
    let copy = Array(bytes)
    return try receive(copy.rawSpan)
  }
}

extension UTF8Validator {
  mutating func receive(_ bytes: some Sequence<UInt8>) -> Bool {
    let copy = Array(bytes)
    return receive(copy.rawSpan)
  }
}

extension FrameHeader {
  static func decode(
    _ bytes: some Sequence<UInt8>, from sender: WebSocketMachine.Role
  ) throws(WebSocketError) -> (header: FrameHeader, size: Int)? {
    let copy = Array(bytes)
    return try decode(copy.rawSpan, from: sender)
  }
}

extension WebSocketMachine {
  @discardableResult
  mutating func send(_ kind: MessageKind, _ payload: [UInt8], into output: inout [UInt8]) -> Bool {
    send(kind, payload.rawSpan, now: epoch, into: &output)
  }
}
