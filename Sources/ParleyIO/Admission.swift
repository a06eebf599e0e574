internal import ParleyWebSocket

/// How many connections one address has open.
///
/// Shared by the connections themselves, so that each keeps eight bytes and not the address.
final class AddressCount: @unchecked Sendable {
  fileprivate let network: [UInt8]
  /// Under the lock of the ``Admission``.
  fileprivate var count = 0

  fileprivate init(_ network: [UInt8]) { self.network = network }
}

/// Counts the connections of a server, or of all servers of a group, and says whether one more may come in.
final class Admission: Sendable {
  private struct Counts {
    var all = 0
    var pending = 0
    var addresses: [[UInt8]: AddressCount] = [:]
  }

  private let limits: WebSocketLimits
  private let counts = Locked(Counts())

  init(_ limits: WebSocketLimits) { self.limits = limits }

  /// All connections, and those among them that are not past their opening handshake.
  var current: (all: Int, pending: Int) { counts.withLock { ($0.all, $0.pending) } }

  /// Counts one more connection, pending; `nil` when there are too many.
  ///
  /// An IPv6 address counts as its /64, which is what one customer has.
  func admit(_ address: SocketAddress?) -> AddressCount? {
    let network = address.map { Array($0.isIPv6 ? $0.bytes.prefix(8) : $0.bytes.prefix(4)) } ?? []
    return counts.withLock { counts in
      let entry = counts.addresses[network] ?? AddressCount(network)
      guard counts.all < limits.maximumConnectionCount, counts.pending < limits.maximumPendingHandshakeCount,
        entry.count < limits.maximumConnectionsPerAddress
      else { return nil }
      counts.all += 1
      counts.pending += 1
      entry.count += 1
      counts.addresses[network] = entry
      return entry
    }
  }

  /// A connection is past its opening handshake.
  func settle() {
    counts.withLock { $0.pending -= 1 }
  }

  /// A connection has ended.
  func release(_ entry: AddressCount?, isPending: Bool) {
    counts.withLock { counts in
      counts.all -= 1
      if isPending { counts.pending -= 1 }
      guard let entry else { return }
      entry.count -= 1
      if entry.count == 0 { counts.addresses[entry.network] = nil }
    }
  }
}
