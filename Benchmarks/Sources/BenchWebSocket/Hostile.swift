import CBareLoop
import Foundation

/// The round trips of one well-behaved client, without and with others beside it that mean harm.
///
/// The server has the library's default limits. The attackers share the client's core, below its priority, at rates that
/// one thread can keep up.
struct HostileComparison {
  let attack: Attack
  var alone = LatencyComparison.Times(name: "alone")
  var beside = LatencyComparison.Times(name: "beside it")

  /// Each slice beside the attackers against the one right before, without them.
  var ratio: Double { median(zip(beside.medians, alone.medians).map { $0 / $1 }) }

  /// Half a second a slice, so that what an attacker does once a second shows.
  private static let messagesPerSlice: CInt = 2_000

  static func run(_ attack: Attack, _ engine: Contender, _ options: Options) throws -> HostileComparison {
    var comparison = HostileComparison(attack: attack)
    for _ in 0..<options.rounds {
      var mode = Contender.Mode()
      mode.words = ["--limits", "default", "--deflate"]
      guard let quiet = try engine.start(mode, core: options.serverCore) else { continue }
      defer { quiet.stop() }
      guard let attacked = try engine.start(mode, core: options.serverCore) else { continue }
      defer { attacked.stop() }
      let crowd = Crowd(attack, port: attacked.port, core: options.clientCore)
      defer { crowd.stop() }
      guard crowd.waitUntilReady() else {
        throw BenchError(description: "\(attack.rawValue): the attackers do not come in")
      }
      for _ in 0..<options.slices {
        crowd.isPaused = true
        let alone = try measure(quiet, options)
        crowd.isPaused = false
        let (actions, start) = (crowd.actionCount, Self.now)
        let beside = try measure(attacked, options)
        let (done, due) = (crowd.actionCount - actions, Double(attack.stepsPerSecond) * (Self.now - start))
        guard Double(done) > due / 2 else {
          throw BenchError(description: "\(attack.rawValue): the attackers took \(done) steps of \(Int(due))")
        }
        comparison.alone.all += alone
        comparison.alone.medians.append(median(alone))
        comparison.beside.all += beside
        comparison.beside.medians.append(median(beside))
      }
    }
    return comparison
  }

  /// Seconds since some time.
  fileprivate static var now: Double { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }

  private static func measure(_ server: RunningServer, _ options: Options) throws -> [Double] {
    var times = [UInt32](repeating: 0, count: Int(messagesPerSlice))
    var error = [CChar](repeating: 0, count: 200)
    _ = bare_process_pin_self(options.clientCore, Machine.priority)
    defer { _ = bare_process_pin_self(-1, 0) }
    let isWell = Setting().withOptions(server) { load in
      // It sleeps, or the attackers would have no core.
      bare_latency_run(&load, false, LatencyComparison.gapMicroseconds, messagesPerSlice, &times, &error)
    }
    guard isWell else { throw BenchError(description: "beside attackers: \(text(error))") }
    return times.map(Double.init)
  }
}

/// What attackers do, again and again, each connection in its turn.
enum Attack: String, CaseIterable {
  case slowHeads = "slow heads"
  case slowFrames = "slow frames"
  case bombs = "deflate bombs"
  case tinyFragments = "tiny fragments"
  case pings = "pings"
  case deafReaders = "readers that never read"
  case neverUpgrade = "connections that never upgrade"

  /// From one address come at most 256.
  var connectionCount: Int {
    switch self {
    case .slowHeads: 250
    case .slowFrames: 2_000
    case .bombs, .tinyFragments: 20
    case .pings: 100
    case .deafReaders: 20
    case .neverUpgrade: 200
    }
  }

  /// Steps of all connections together.
  var stepsPerSecond: Int {
    switch self {
    case .slowHeads: 250
    case .slowFrames: 2_000
    case .bombs, .tinyFragments: 50
    // Ten a second and connection, which is what the limits allow: more would end them.
    case .pings: 1_000
    case .deafReaders: 50
    case .neverUpgrade: 200
    }
  }

  var upgrades: Bool { self != .slowHeads && self != .neverUpgrade }
  var reads: Bool { self != .deafReaders }
  /// Whether a step ends with the connection, and the next begins with a new one.
  var reconnects: Bool { self == .neverUpgrade }

  /// What a step sends, from the connection's first step (0) on.
  func bytes(step: Int) -> [UInt8] {
    switch self {
    case .slowHeads: [Array(Crowd.upgrade.utf8)[step % 100]]
    case .slowFrames: step == 0 ? Self.header(0x82, 1 << 20) : [0x78]
    case .bombs: Self.header(0xC2, Self.bomb.count) + Self.bomb
    case .tinyFragments:
      (step == 0 ? Self.header(0x02, 1) + [0x78] : [])
        + (0..<1_100).flatMap { _ in Self.header(0x00, 1) + [0x78] }
    case .pings: Self.header(0x89, 125) + [UInt8](repeating: 0x70, count: 125)
    case .deafReaders: Self.header(0x82, 65_536) + [UInt8](repeating: 0x64, count: 65_536)
    case .neverUpgrade: Array("GET / HTTP/1.1\r\n".utf8)
    }
  }

  /// A frame's header with a mask of zeros.
  private static func header(_ first: UInt8, _ count: Int) -> [UInt8] {
    var bytes = [first]
    if count < 126 {
      bytes.append(0x80 | UInt8(count))
    } else {
      bytes.append(count < 65_536 ? 0xFE : 0xFF)
      let size = count < 65_536 ? 2 : 8
      bytes += (0..<size).map { UInt8(truncatingIfNeeded: count >> (8 * (size - 1 - $0))) }
    }
    return bytes + [0, 0, 0, 0]
  }

  /// Zeros in one block of fixed codes (RFC 1951 section 3.2.6): 13 bits for each 258 of them, 158 to one.
  private static let bomb: [UInt8] = {
    var bits: [UInt8] = [0, 1, 0]
    bits += [0, 0, 1, 1, 0, 0, 0, 0]
    for _ in 0..<10_000 { bits += [1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0] }
    bits += [0, 0, 0, 0, 0, 0, 0]
    bits += [UInt8](repeating: 0, count: 8 - bits.count % 8)
    return stride(from: 0, to: bits.count, by: 8).map { start in
      (0..<8).reduce(0) { $0 | bits[start + $1] << UInt8($1) }
    }
  }()
}

/// The attackers' connections, on a thread of their own.
private final class Crowd: @unchecked Sendable {
  static let upgrade =
    "GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
  private static let compressingUpgrade =
    String(upgrade.dropLast()) + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"

  private struct State {
    var isPaused = true
    var mustStop = false
    var isReady = false
    var actionCount = 0
  }

  private struct Connection {
    var socket: CInt = -1
    var step = 0
  }

  private let attack: Attack
  private let port: UInt16
  private let core: CInt
  private let lock = NSLock()
  private var state = State()
  private let isOver = DispatchSemaphore(value: 0)
  /// The thread's alone.
  private var connections: [Connection]
  private var buffer = [UInt8](repeating: 0, count: 1 << 16)

  init(_ attack: Attack, port: UInt16, core: CInt) {
    self.attack = attack
    self.port = port
    self.core = core
    connections = Array(repeating: Connection(), count: attack.connectionCount)
    Thread.detachNewThread { [self] in
      // Below the client, which they must not keep from measuring, and above whatever else the machine has to do.
      _ = bare_process_pin_self(core, max(0, Machine.priority - 1))
      run()
      isOver.signal()
    }
  }

  var isPaused: Bool {
    get { lock.withLock { state.isPaused } }
    set { lock.withLock { state.isPaused = newValue } }
  }
  var actionCount: Int { lock.withLock { state.actionCount } }

  func waitUntilReady() -> Bool {
    for _ in 0..<3_000 {
      if lock.withLock({ state.isReady }) { return true }
      usleep(10_000)
    }
    return false
  }

  func stop() {
    lock.withLock { state.mustStop = true }
    isOver.wait()
  }

  private func run() {
    for index in connections.indices { open(index) }
    lock.withLock { state.isReady = connections.contains { $0.socket >= 0 } }
    var next = 0
    var due = 0.0
    var last = HostileComparison.now
    while !lock.withLock({ state.mustStop }) {
      usleep(1_000)
      let now = HostileComparison.now
      let passed = isPaused ? 0 : min(now - last, 0.1)
      last = now
      due += passed * Double(attack.stepsPerSecond)
      while due >= 1 {
        due -= 1
        act(next)
        next = (next + 1) % connections.count
        lock.withLock { state.actionCount += 1 }
      }
    }
    for index in connections.indices { close(index) }
  }

  private func act(_ index: Int) {
    if connections[index].socket < 0 || attack.reconnects {
      close(index)
      open(index)
    }
    let socket = connections[index].socket
    guard socket >= 0 else { return }
    let bytes = attack.bytes(step: connections[index].step)
    connections[index].step += 1
    // What a full buffer does not take is not sent: a frame is then cut, and what follows is part of its payload.
    let sent = send(socket, bytes, bytes.count, CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL))
    if sent < 0, errno != EAGAIN { return close(index) }
    while attack.reads {
      let count = recv(socket, &buffer, buffer.count, CInt(MSG_DONTWAIT))
      if count == 0 || count < 0 && errno != EAGAIN { return close(index) }
      if count < buffer.count { return }
    }
  }

  private func close(_ index: Int) {
    guard connections[index].socket >= 0 else { return }
    Glibc.close(connections[index].socket)
    connections[index] = Connection()
  }

  /// Connects from one of several addresses, and upgrades.
  private func open(_ index: Int) {
    let socket = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    guard socket >= 0 else { return }
    var wait = timeval(tv_sec: 5, tv_usec: 0)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
    if !attack.reads {
      var size: CInt = 4_096
      setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<CInt>.size))
    }
    let isConnected =
      Self.withAddress("127.0.1.\(1 + index / 200)", port: 0) { bind(socket, $0, $1) } == 0
      && Self.withAddress("127.0.0.1", port: port) { connect(socket, $0, $1) } == 0
    connections[index] = Connection(socket: socket)
    guard isConnected else { return close(index) }
    guard attack.upgrades else { return }
    let request = Array((attack == .bombs ? Self.compressingUpgrade : Self.upgrade).utf8)
    send(socket, request, request.count, CInt(MSG_NOSIGNAL))
    let count = recv(socket, &buffer, buffer.count, 0)
    if count < 12 || !buffer[..<count].starts(with: Array("HTTP/1.1 101".utf8)) { close(index) }
  }

  private static func withAddress(_ host: String, port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt)
    -> CInt
  {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    inet_pton(AF_INET, host, &address.sin_addr)
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
  }
}

extension Report.Row {
  init(_ comparison: HostileComparison) {
    self.init(name: comparison.attack.rawValue, connectionCount: comparison.attack.connectionCount, servers: [])
    for times in [comparison.alone, comparison.beside] where !times.all.isEmpty {
      var server = Report.Server(name: times.name)
      server.medianNanoseconds = rounded(times.typical)
      server.percentile99Nanoseconds = rounded(times.percentile99)
      if let first = servers.first { server.ratioTo[first.name] = rounded(comparison.ratio) }
      servers.append(server)
    }
  }
}
