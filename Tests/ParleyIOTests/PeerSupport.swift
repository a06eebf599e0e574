import Foundation
import ParleyCrypto
import ParleyPeer
import ParleyWire
import TestSupport
import Testing

@testable import ParleyIO

/// What a connection's events said, for a test to look at from outside.
final class PeerRecord: Sendable {
  struct State: Sendable {
    var connections: [PeerConnection] = []
    var peers: [PeerID] = []
    var opened: [String] = []
    var agreed: [UInt32] = []
    var received: [UInt32: [UInt8]] = [:]
    var finished: Set<UInt32> = []
    var resets: [UInt32] = []
    var closures: [PeerConnectionError?] = []
    /// What has yet to go out on each stream.
    var unsent: [UInt32: ArraySlice<UInt8>] = [:]
    /// The most that waited on one stream.
    var unsentByteCount = 0
    /// Streams of which nothing is read, and how much has come on each.
    var held: [UInt32: Int] = [:]
    /// Streams that this side opened.
    var ownStreams: Set<UInt32> = []
    /// How often a stream took less than it was given.
    var partCount = 0
  }

  let state = Locked(State())

  /// Notes what happens; with `echoes`, sends back what comes on streams of the peer's, and lets it send as much more as
  /// went out again. A stream of `/held/1.0.0` waits for ``release(_:)``.
  func handlers(echoes: Bool) -> PeerHandlers {
    PeerHandlers { [self] connection, event in
      switch event {
      case .connected(let peer):
        state.withLock {
          $0.connections.append(connection)
          $0.peers.append(peer)
        }
      case .opened(let id, let name):
        state.withLock {
          $0.opened.append(name)
          if name == held { $0.held[id] = 0 }
        }
      case .agreed(let id): state.withLock { $0.agreed.append(id) }
      case .data(let id, let bytes):
        receive(bytes, on: id, connection, echoes)
      case .finished(let id):
        state.withLock { _ = $0.finished.insert(id) }
        if echoes { flush(connection, id) }
      case .writable(let id): flush(connection, id)
      case .reset(let id): state.withLock { $0.resets.append(id) }
      case .goAway: return
      }
    } onClose: { [self] _, error in
      state.withLock { $0.closures.append(error) }
    }
  }

  private func receive(_ bytes: [UInt8], on id: UInt32, _ connection: PeerConnection, _ echoes: Bool) {
    let isHeld = state.withLock { state in
      state.held[id]? += bytes.count
      if echoes {
        state.unsent[id, default: []] += bytes
        state.unsentByteCount = max(state.unsentByteCount, state.unsent[id]?.count ?? 0)
      } else {
        state.received[id, default: []] += bytes
      }
      return state.held[id] != nil
    }
    guard !isHeld else { return }
    if echoes {
      flush(connection, id)
    } else {
      connection.consume(bytes.count, of: id)
    }
  }

  /// Sends what waits; finishes when the peer has and nothing is left.
  func flush(_ connection: PeerConnection, _ id: UInt32) {
    // What is held back is what comes: this side goes on with what it sends by itself.
    let bytes = state.withLock { $0.held[id] == nil || $0.ownStreams.contains(id) ? $0.unsent[id] ?? [] : [] }
    if !bytes.isEmpty, let count = connection.send(Array(bytes), on: id) {
      let isInbound = state.withLock { state in
        state.unsent[id] = bytes.dropFirst(count)
        if count < bytes.count { state.partCount += 1 }
        return !state.ownStreams.contains(id)
      }
      if isInbound { connection.consume(count, of: id) }
    }
    let isOver = state.withLock { $0.held[id] == nil && $0.finished.contains(id) && $0.unsent[id]?.isEmpty != false }
    if isOver { connection.finish(id) }
  }

  /// Reads what was held back.
  func release(_ id: UInt32, on connection: PeerConnection, echoes: Bool) {
    let count = state.withLock { $0.held.removeValue(forKey: id) } ?? 0
    if echoes { flush(connection, id) } else { connection.consume(count, of: id) }
  }
}

/// What is echoed once the test says so.
let held = "/held/1.0.0"
let ping = "/ipfs/ping/1.0.0"
let echo = "/echo/1.0.0"
let sizes = [1, 5000, 1 << 20]

func text(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 13 &+ $0 >> 8) } }

/// What peers may open, and what they listen on.
enum PeerSetup {
  static let addresses = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws"]

  static func configuration(early: Bool = true) -> Libp2pConnection.Configuration {
    var configuration = Libp2pConnection.Configuration(
      identity: Ed25519.SigningKey(), staticKey: X25519.PrivateKey(), protocols: [echo, held, ping])
    configuration.negotiatesEarly = early
    return configuration
  }
}

extension PeerRecord {
  /// Opens a stream and begins to send `bytes` on it.
  func open(_ name: String, _ bytes: [UInt8], on connection: PeerConnection, holds: Bool = false) async -> UInt32? {
    await connection.loop.run { [self] in
      guard let id = connection.open(name) else { return nil }
      state.withLock {
        $0.ownStreams.insert(id)
        $0.unsent[id] = bytes[...]
        if holds { $0.held[id] = 0 }
      }
      flush(connection, id)
      return id
    }
  }

  /// Opens a stream, sends `bytes` on it and takes back as many.
  func echo(_ bytes: [UInt8], _ name: String = ParleyIOTests.echo, on connection: PeerConnection) async -> [UInt8]? {
    guard let id = await open(name, bytes, on: connection) else { return nil }
    _ = await eventually(within: .seconds(30)) { state.withLock { $0.received[id]?.count ?? 0 } >= bytes.count }
    await connection.loop.run { connection.finish(id) }
    return state.withLock { $0.received[id] }
  }
}
