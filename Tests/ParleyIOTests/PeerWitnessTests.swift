import Foundation
import ParleyCrypto
import ParleyPeer
import ParleyWire
import TestSupport
import Testing

@testable import ParleyIO

/// What a connection's events said, for a test to look at from outside.
private final class PeerRecord: Sendable {
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
  }

  let state = Locked(State())

  /// Notes what happens; with `echoes`, sends back what comes on streams of the peer's.
  func handlers(echoes: Bool) -> PeerHandlers {
    PeerHandlers { [self] connection, event in
      switch event {
      case .connected(let peer):
        state.withLock {
          $0.connections.append(connection)
          $0.peers.append(peer)
        }
      case .opened(_, let name): state.withLock { $0.opened.append(name) }
      case .agreed(let id): state.withLock { $0.agreed.append(id) }
      case .data(let id, let bytes):
        if echoes {
          state.withLock { $0.unsent[id, default: []] += bytes }
          flush(connection, id)
        } else {
          state.withLock { $0.received[id, default: []] += bytes }
        }
        connection.consume(bytes.count, of: id)
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

  /// Sends what waits; finishes when the peer has and nothing is left.
  func flush(_ connection: PeerConnection, _ id: UInt32) {
    let bytes = state.withLock { $0.unsent[id] ?? [] }
    if !bytes.isEmpty, let count = connection.send(Array(bytes), on: id) {
      state.withLock { $0.unsent[id] = bytes.dropFirst(count) }
    }
    let isOver = state.withLock { $0.finished.contains(id) && $0.unsent[id]?.isEmpty != false }
    if isOver { connection.finish(id) }
  }
}

private func configuration(early: Bool = true) -> Libp2pConnection.Configuration {
  var configuration = Libp2pConnection.Configuration(
    identity: Ed25519.SigningKey(), staticKey: X25519.PrivateKey(), protocols: ["/echo/1.0.0"])
  configuration.negotiatesEarly = early
  return configuration
}

private func peer(_ configuration: Libp2pConnection.Configuration) -> PeerID {
  PeerID(PeerPublicKey(configuration.identity.publicKey))
}

/// Opens a stream, sends `bytes` on it and takes back as many.
private func echo(_ bytes: [UInt8], on connection: PeerConnection, _ record: PeerRecord) async -> [UInt8]? {
  let id = await connection.loop.run {
    let id = connection.open("/echo/1.0.0")
    if let id {
      record.state.withLock { $0.unsent[id] = bytes[...] }
      record.flush(connection, id)
    }
    return id
  }
  guard let id else { return nil }
  _ = await eventually(within: .seconds(20)) { record.state.withLock { $0.received[id]?.count ?? 0 } >= bytes.count }
  await connection.loop.run { connection.finish(id) }
  return record.state.withLock { $0.received[id] }
}

private let sizes = [1, 5000, 400_000]

private func text(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 13) } }

@Suite("libp2p over TCP")
struct PeerConnectionTests {
  @Test("ours to ours: both know each other, streams echo, and both see the end", arguments: [true, false])
  func ours(early: Bool) async throws {
    try await withLoop { loop in
      let (one, two) = (configuration(early: early), configuration())
      let (dialing, listening) = (PeerRecord(), PeerRecord())
      let listener = try PeerListener(
        loop: loop, address: try #require(SocketAddress("127.0.0.1", port: 0)), configuration: two,
        handlers: listening.handlers(echoes: true))
      PeerConnection.dial(
        host: "127.0.0.1", port: listener.localAddress.port, on: loop, configuration: one, expecting: peer(two),
        handlers: dialing.handlers(echoes: false))
      #expect(await eventually { dialing.state.withLock { $0.peers } == [peer(two)] })
      let connection = try #require(dialing.state.withLock { $0.connections.first })
      for size in sizes { #expect(await echo(text(size), on: connection, dialing) == text(size), "\(size) bytes") }
      #expect(listening.state.withLock { $0.peers } == [peer(one)])
      #expect(listening.state.withLock { $0.opened.count } == sizes.count)
      await loop.run { connection.close() }
      #expect(await eventually { dialing.state.withLock { $0.closures } == [nil] })
      #expect(await eventually { listening.state.withLock { $0.closures } == [.connection(.connectionLost)] })
      await listener.close()
    }
  }

  @Test("another peer than the one dialled, and nobody there")
  func refused() async throws {
    try await withLoop { loop in
      let record = PeerRecord()
      let two = configuration()
      let listener = try PeerListener(
        loop: loop, address: try #require(SocketAddress("127.0.0.1", port: 0)), configuration: two,
        handlers: PeerRecord().handlers(echoes: true))
      PeerConnection.dial(
        host: "127.0.0.1", port: listener.localAddress.port, on: loop, configuration: configuration(),
        expecting: peer(configuration()), handlers: record.handlers(echoes: false))
      #expect(
        await eventually { record.state.withLock { $0.closures } == [.peer(.noise(.wrongPeer(peer(two))))] })
      #expect(record.state.withLock { $0.peers } == [])
      await listener.close()
      let nobody = PeerRecord()
      PeerConnection.dial(
        host: "127.0.0.1", port: listener.localAddress.port, on: loop, configuration: configuration(),
        expecting: nil, handlers: nobody.handlers(echoes: false))
      #expect(await eventually { nobody.state.withLock { $0.closures.count } == 1 })
      guard case .connection(.connectFailed)? = nobody.state.withLock({ $0.closures[0] }) else {
        Issue.record("\(nobody.state.withLock { $0.closures })")
        return
      }
    }
  }
}

/// py-libp2p, in an environment of its own.
private enum Libp2p {
  static let python = SharedVectors.root.path() + ".deps/venv-libp2p/bin/python"
  static let isThere = FileManager.default.isExecutableFile(atPath: python)
  static let absence: Comment = "no .deps/venv-libp2p: run scripts/bootstrap --tests"
}

@Suite("py-libp2p at the other end", .enabled(if: Libp2p.isThere, Libp2p.absence), .serialized)
struct PeerWitnessTests {
  @Test(
    "it listens, we dial: /noise, yamux, three echoes, a protocol that it does not speak", arguments: [true, false])
  func pythonListens(early: Bool) async throws {
    let script = try Script("libp2p_witness.py", ["listen"], python: Libp2p.python)
    let line = try await JSONValue.parse(Array(script.line().utf8))
    let id = try PeerID(parsing: try #require(line["peer"]?.stringValue))
    let port = try #require(line["port"]?.int64Value)
    try await withLoop { loop in
      let record = PeerRecord()
      PeerConnection.dial(
        host: "127.0.0.1", port: UInt16(port), on: loop, configuration: configuration(early: early), expecting: id,
        handlers: record.handlers(echoes: false))
      #expect(await eventually(within: .seconds(20)) { record.state.withLock { $0.peers } == [id] })
      let connection = try #require(
        record.state.withLock { $0.connections.first }, "\(record.state.withLock { $0.closures })")
      for size in sizes { #expect(await echo(text(size), on: connection, record) == text(size), "\(size) bytes") }
      let other = await loop.run { connection.open("/nobody-speaks-this/1.0.0") }
      let refused = try #require(other)
      #expect(await eventually { record.state.withLock { $0.resets.contains(refused) } })
      await loop.run { connection.close() }
      #expect(await eventually { record.state.withLock { $0.closures } == [nil] })
    }
  }

  @Test("it dials, we listen: /noise, yamux, three echoes, a protocol that we do not speak", arguments: [true, false])
  func pythonDials(early: Bool) async throws {
    try await withLoop { loop in
      let record = PeerRecord()
      let own = configuration(early: early)
      let listener = try PeerListener(
        loop: loop, address: try #require(SocketAddress("127.0.0.1", port: 0)), configuration: own,
        handlers: record.handlers(echoes: true))
      let script = try Script(
        "libp2p_witness.py", ["dial", "\(listener.localAddress.port)", peer(own).description], python: Libp2p.python)
      let line = try await script.line()
      let outcome = try JSONValue.parse(Array(line.utf8))
      #expect(outcome["event"]?.stringValue == "done", "\(line)")
      let echoed = outcome["echoed"]?.arrayValue ?? []
      #expect(echoed.compactMap { $0["size"]?.int64Value } == sizes.map(Int64.init))
      #expect(echoed.allSatisfy { $0["same"]?.boolValue == true }, "\(line)")
      #expect(outcome["refused"]?.stringValue == "StreamFailure")
      let id = try PeerID(parsing: try #require(outcome["peer"]?.stringValue))
      #expect(record.state.withLock { $0.peers } == [id])
      #expect(record.state.withLock { $0.opened.filter { $0 == "/echo/1.0.0" }.count } == sizes.count)
      await listener.close()
    }
  }
}
