import ParleyWire

/// Where a connection comes from, as far as admission cares (section 8.3): one customer's share of addresses, and the
/// network around it.
public struct AdmissionSource: Hashable, Sendable {
  /// The IPv4 address, or the /64 of an IPv6 address.
  public struct Host: Hashable, Sendable {
    let isIPv6: Bool
    let prefix: UInt64
  }

  /// The /24 of an IPv4 address, or the /48 of an IPv6 address.
  public struct Network: Hashable, Sendable {
    let isIPv6: Bool
    let prefix: UInt64
  }

  /// What one customer has.
  public let host: Host
  /// What lies around it.
  public let network: Network

  /// Reads an address in network order; `nil` unless it has 4 or 16 bytes.
  ///
  /// An IPv6 address that maps an IPv4 one counts as that.
  public init?(_ address: [UInt8]) {
    var bytes = address
    let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
    if bytes.count == 16, bytes.starts(with: mapped) { bytes.removeFirst(12) }
    switch bytes.count {
    case 4:
      let prefix = bytes.reduce(0) { $0 << 8 | UInt64($1) }
      host = Host(isIPv6: false, prefix: prefix)
      network = Network(isIPv6: false, prefix: prefix >> 8)
    case 16:
      let prefix = bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) }
      host = Host(isIPv6: true, prefix: prefix)
      network = Network(isIPv6: true, prefix: prefix >> 16)
    default: return nil
    }
  }

  /// The host in bytes, for a cookie.
  var bytes: [UInt8] {
    var bytes: [UInt8] = [host.isIPv6 ? 6 : 4]
    bytes.appendBigEndian(host.prefix)
    return bytes
  }
}

/// What a responder grants those that have not proved who they are (section 8.3).
public struct AdmissionLimits: Hashable, Sendable {
  /// Connections before ACCEPT of one host.
  public var connectionsAHost = 4
  /// Connections before ACCEPT of one network.
  public var connectionsANetwork = 32
  /// Connections before ACCEPT in all; from half of them on, some are dropped at random.
  public var connections = 512
  /// Of the time of one core, how many thousandths handshakes may use before message 1 needs a token.
  public var freeLoad = 200
  /// Handshakes that wait for the processor; the oldest goes first when there are more.
  public var waitingHandshakes = 64
  /// Hosts whose penalties are remembered.
  public var penalties = 65_536
  /// Priority tokens that are remembered.
  public var priorityTokens = 65_536
  /// Solved messages 1 that are remembered, so that none serves twice.
  public var solutions = 4096

  /// The limits of the protocol.
  public init() {}
}

/// Counts the connections that have not proved who they are, and says whether one more may come in.
public struct PendingConnections: Sendable {
  private let limits: AdmissionLimits
  private var hosts: [AdmissionSource.Host: Int] = [:]
  private var networks: [AdmissionSource.Network: Int] = [:]
  /// All of them.
  public private(set) var count = 0

  /// Starts with none.
  public init(limits: AdmissionLimits = AdmissionLimits()) { self.limits = limits }

  /// Counts one more connection if there is room.
  ///
  /// - Parameters:
  ///   - source: Where it comes from.
  ///   - draw: A random number, which decides from half of the room on: the more connections, the fewer come in.
  /// - Returns: Whether it may come in.
  public mutating func admit(_ source: AdmissionSource, draw: UInt32) -> Bool {
    let half = limits.connections / 2
    guard count < limits.connections, hosts[source.host, default: 0] < limits.connectionsAHost,
      networks[source.network, default: 0] < limits.connectionsANetwork
    else { return false }
    if count >= half, UInt64(draw) * UInt64(limits.connections - half) < UInt64(count - half) << 32 { return false }
    count += 1
    hosts[source.host, default: 0] += 1
    networks[source.network, default: 0] += 1
    return true
  }

  /// Forgets a connection that was admitted and has proved itself or ended.
  public mutating func release(_ source: AdmissionSource) {
    guard let host = hosts[source.host], let network = networks[source.network] else { return }
    count -= 1
    hosts[source.host] = host > 1 ? host - 1 : nil
    networks[source.network] = network > 1 ? network - 1 : nil
  }
}

/// How long a host has to stay away after what it did (after OpenSSH's `PerSourcePenalties`).
public struct PenaltyTable: Sendable {
  /// What a host did.
  public enum Offence: Hashable, Sendable {
    /// It did not prove who it is.
    case authenticationFailed
    /// It let a handshake run out of time.
    case timedOut
    /// It sent what no Parley node sends.
    case malformed

    /// The penalty of one.
    public var penalty: Duration {
      switch self {
      case .authenticationFailed: .seconds(5)
      case .timedOut: .seconds(10)
      case .malformed: .seconds(30)
      }
    }
  }

  /// The longest that penalties add up to.
  public static let longest: Duration = .seconds(600)

  private let limit: Int
  private var ends: [AdmissionSource.Host: ContinuousClock.Instant] = [:]
  /// The hosts in the order in which they came in, a ring once it is full.
  private var order: [AdmissionSource.Host] = []
  private var next = 0

  /// Starts empty.
  ///
  /// - Precondition: `limit` is positive.
  public init(limit: Int = AdmissionLimits().penalties) {
    precondition(limit > 0)
    self.limit = limit
  }

  /// How many hosts are remembered.
  public var count: Int { ends.count }

  /// Adds the penalty of an offence.
  ///
  /// When the table is full, the host that came in first makes room.
  public mutating func add(_ offence: Offence, of host: AdmissionSource.Host, now: ContinuousClock.Instant) {
    if let end = ends[host] {
      ends[host] = min(max(end, now) + offence.penalty, now + Self.longest)
      return
    }
    if order.count < limit {
      order.append(host)
    } else {
      ends[order[next]] = nil
      order[next] = host
      next = (next + 1) % limit
    }
    ends[host] = now + offence.penalty
  }

  /// Whether a host has to stay away.
  public func isPenalized(_ host: AdmissionSource.Host, now: ContinuousClock.Instant) -> Bool {
    ends[host].map { now < $0 } ?? false
  }
}

/// Work that waits for the processor, the newest first: under a flood the newest is the likeliest to be still wanted.
public struct NewestFirst<Element: Sendable>: Sendable {
  private let limit: Int
  private var elements: [Element] = []
  /// Where the oldest is.
  private var start = 0

  /// Starts empty.
  ///
  /// - Precondition: `limit` is positive.
  public init(limit: Int = AdmissionLimits().waitingHandshakes) {
    precondition(limit > 0)
    self.limit = limit
  }

  /// How many wait.
  public var count: Int { elements.count - start }

  /// Adds one.
  ///
  /// - Returns: The oldest if there were too many, to be turned away.
  public mutating func push(_ element: Element) -> Element? {
    elements.append(element)
    guard count > limit else { return nil }
    let oldest = elements[start]
    start += 1
    if start == limit {
      elements.removeFirst(start)
      start = 0
    }
    return oldest
  }

  /// Takes the newest.
  public mutating func pop() -> Element? { count > 0 ? elements.removeLast() : nil }
}
