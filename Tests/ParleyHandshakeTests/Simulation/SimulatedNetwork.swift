import TestSupport

/// Time that passes only when everything that is due at it has happened, and what is to happen when.
final class SimulatedNetwork {
  private struct Event {
    let time: ContinuousClock.Instant
    let order: Int
    let work: () -> Void
  }

  private(set) var now = ContinuousClock.now
  private var events: [Event] = []
  private var order = 0

  func schedule(after delay: Duration, _ work: @escaping () -> Void) {
    order += 1
    let event = Event(time: now + delay, order: order, work: work)
    // Kept sorted, the next one last.
    var low = 0
    var high = events.count
    while low < high {
      let middle = (low + high) / 2
      let other = events[middle]
      if (other.time, other.order) > (event.time, event.order) { low = middle + 1 } else { high = middle }
    }
    events.insert(event, at: low)
  }

  /// Lets things happen until nothing more is due.
  ///
  /// - Returns: Whether that was within `limit` events.
  func run(limit: Int) -> Bool {
    for _ in 0..<limit {
      guard let event = events.popLast() else { return true }
      now = event.time
      event.work()
    }
    return false
  }
}

/// One direction of a TCP connection, on which an attacker sits who can do what he likes to messages and bytes.
final class SimulatedLink {
  /// What becomes of one message.
  enum MessageFault {
    case drop, duplicate, swapWithNext, reflect
    case delay(Duration)
    case replace([UInt8])
    case precede([UInt8])
    case cut(Int)
    case extend([UInt8])
  }

  /// What happens from one byte of the stream on.
  enum ByteFault {
    case flip(UInt8)
    /// The connection is gone, and both sides hear of it.
    case reset
    /// Nothing arrives any more, and nobody hears of it.
    case silence
    /// A byte at a time.
    case slow(Duration)
  }

  var messageFaults: [Int: MessageFault] = [:]
  var byteFaults: [Int: ByteFault] = [:]
  /// Whether the attacker is still there. What has gone silent stays silent.
  var isAttacked = true
  /// What the last messages were, for another session's attacker.
  private(set) var sent: [[UInt8]] = []

  private let network: SimulatedNetwork
  private let latency: Duration
  private let arrive: ([UInt8]) -> Void
  private let reset: () -> Void
  /// Where a reflected message goes.
  weak var opposite: SimulatedLink?
  private var messageCount = 0
  private var byteCount = 0
  private var held: [UInt8]?
  private var isSilent = false
  private var pace: Duration?
  private var lastArrival: ContinuousClock.Instant

  init(
    _ network: SimulatedNetwork, latency: Duration, arrive: @escaping ([UInt8]) -> Void, reset: @escaping () -> Void
  ) {
    self.network = network
    self.latency = latency
    self.arrive = arrive
    self.reset = reset
    lastArrival = network.now
  }

  /// Sends a frame: its opcode, and its bytes.
  func send(_ opcode: UInt8, _ message: [UInt8]) {
    guard opcode == Frame.binary else { return push(Frame.encode(opcode, message)) }
    let number = messageCount
    messageCount += 1
    if sent.count < 8 { sent.append(message) }
    guard isAttacked else { return pushBehind(message) }
    switch messageFaults[number] {
    case nil: pushBehind(message)
    case .drop: break
    case .duplicate:
      pushBehind(message)
      pushBehind(message)
    case .swapWithNext: held = message
    case .reflect: opposite?.push(Frame.encode(Frame.binary, message))
    case .delay(let delay):
      network.schedule(after: delay) { [weak self] in self?.push(Frame.encode(Frame.binary, message)) }
    case .replace(let other): pushBehind(other)
    case .precede(let other):
      pushBehind(other)
      pushBehind(message)
    case .cut(let count): pushBehind(Array(message.prefix(max(0, message.count - count))))
    case .extend(let bytes): pushBehind(message + bytes)
    }
  }

  /// Ends the connection in order.
  func close() { push(Frame.encode(Frame.close, [])) }

  private func pushBehind(_ message: [UInt8]) {
    push(Frame.encode(Frame.binary, message))
    if let held {
      self.held = nil
      push(Frame.encode(Frame.binary, held))
    }
  }

  private func push(_ frame: [UInt8]) {
    guard !isSilent else { return }
    var part: [UInt8] = []
    for byte in frame {
      let fault = isAttacked ? byteFaults[byteCount] : nil
      byteCount += 1
      switch fault {
      case nil: part.append(byte)
      case .flip(let mask): part.append(byte ^ mask)
      case .reset:
        isSilent = true
        transmit(part)
        return network.schedule(after: latency, reset)
      case .silence:
        isSilent = true
        return transmit(part)
      case .slow(let pace):
        transmit(part)
        part = [byte]
        self.pace = pace
      }
      if let pace, isAttacked, part.count >= 16 {
        lastArrival = max(lastArrival, network.now + latency) + pace * part.count
        transmit(part)
        part = []
      }
    }
    transmit(part)
  }

  /// Bytes of one stream do not overtake each other.
  private func transmit(_ bytes: [UInt8]) {
    guard !bytes.isEmpty else { return }
    lastArrival = max(lastArrival, network.now + latency)
    network.schedule(after: network.now.duration(to: lastArrival)) { [arrive] in arrive(bytes) }
  }
}

/// Messages in a stream of bytes, as WebSocket has them: an opcode, a length, the bytes.
struct Frame {
  static let binary: UInt8 = 2
  static let close: UInt8 = 8
  static let ping: UInt8 = 9
  static let byteLimit = 16_404

  private var buffer: [UInt8] = []

  static func encode(_ opcode: UInt8, _ message: [UInt8]) -> [UInt8] {
    [opcode, UInt8(message.count >> 8), UInt8(message.count & 0xFF)] + message
  }

  mutating func receive(_ bytes: [UInt8]) { buffer += bytes }

  /// The next frame, if it is whole; an opcode of 0 stands for what is no frame.
  mutating func next() -> (opcode: UInt8, message: [UInt8])? {
    guard buffer.count >= 3 else { return nil }
    let count = Int(buffer[1]) << 8 | Int(buffer[2])
    guard count <= Self.byteLimit, [Self.binary, Self.close, Self.ping].contains(buffer[0]) else { return (0, []) }
    guard buffer.count >= 3 + count else { return nil }
    defer { buffer.removeFirst(3 + count) }
    return (buffer[0], Array(buffer[3..<3 + count]))
  }
}
