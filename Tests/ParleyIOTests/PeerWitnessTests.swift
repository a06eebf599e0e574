import Foundation
import ParleyCrypto
import ParleyWire
import TestSupport
import Testing

@testable import ParleyIO
@testable import ParleyPeer

/// Other implementations of libp2p, as scripts that make them listen or dial.
private enum Foreign: String {
  /// py-libp2p, in an environment of its own.
  case python
  /// go-libp2p, as its daemon.
  case go

  static let environment = SharedVectors.root.path() + ".deps/venv-libp2p/bin/python"
  static let daemon = SharedVectors.root.path() + ".deps/p2pd"

  var isThere: Bool {
    switch self {
    case .python: FileManager.default.isExecutableFile(atPath: Self.environment)
    case .go: FileManager.default.isExecutableFile(atPath: Self.daemon) && Tool.hasPython
    }
  }

  static let absence: Comment = "no .deps/venv-libp2p or no .deps/p2pd: run scripts/bootstrap --tests"

  /// Has it listen.
  func listen(_ address: String) async throws -> (script: Script, address: Multiaddr) {
    switch self {
    case .python:
      let script = try Script("libp2p_witness.py", ["listen", address], python: Self.environment)
      let line = try await script.json()
      return (script, try Multiaddr(parsing: #require(line["address"]?.stringValue)))
    case .go:
      let script = try Script("p2pd_witness.py", [Self.daemon, "listen", address])
      let line = try await script.json()
      let peer = try PeerID(bytes: #require([UInt8](hex: line["peer"]?.stringValue ?? "")))
      let bytes = try #require([UInt8](hex: line["addresses"]?.arrayValue?.first?.stringValue ?? ""))
      return (script, try Multiaddr(bytes: bytes).naming(peer))
    }
  }

  /// Has it dial, or make a mistake: dial an address at which another peer than the one named is.
  func dial(_ command: String, _ address: Multiaddr) throws -> Script {
    switch self {
    case .python: return try Script("libp2p_witness.py", [command, "\(address)"], python: Self.environment)
    case .go:
      let peer = try #require(address.peerID)
      let rest = try Multiaddr(address.components.dropLast())
      return try Script("p2pd_witness.py", [Self.daemon, command, rest.bytes.hex, peer.bytes.hex])
    }
  }

  func peer(_ outcome: JSONValue) throws -> PeerID {
    let text = try #require(outcome["peer"]?.stringValue)
    return self == .python ? try PeerID(parsing: text) : try PeerID(bytes: #require([UInt8](hex: text)))
  }
}

extension Script {
  fileprivate func json() async throws -> JSONValue { try JSONValue.parse(Array(try await line().utf8)) }
}

/// The most that may lie unread on a stream, and as much less the agreement on an echo, which took its part of the window.
private let window = YamuxLimits.initialWindowByteCount
private let rest = window - (Multistream.encode(Multistream.header) + Multistream.encode(echo)).count

/// What each implementation is put through.
private struct Trial {
  let foreign: Foreign

  /// It listens, we dial.
  func dial(_ address: String, early: Bool) async throws {
    let (script, target) = try await foreign.listen(address)
    let id = try #require(target.peerID)
    try await withLoop { loop in
      let record = PeerRecord()
      PeerConnection.dial(
        target, on: loop, configuration: PeerSetup.configuration(early: early), handlers: record.handlers(echoes: false)
      )
      #expect(await eventually(within: .seconds(20)) { record.state.withLock { $0.peers } == [id] })
      let connection = try #require(
        record.state.withLock { $0.connections.first }, "\(record.state.withLock { $0.closures })")
      #expect(await record.echo(text(32), ping, on: connection) == text(32))
      for size in sizes { #expect(await record.echo(text(size), on: connection) == text(size), "\(size) bytes") }
      #expect(record.state.withLock { $0.partCount } > 0, "a mebibyte is more than a stream takes at once")
      try await hold(connection, record)
      try await identify(connection, record, target)
      let other = await record.open("/nobody-speaks-this/1.0.0", [], on: connection)
      let refused = try #require(other)
      #expect(await eventually(within: .seconds(10)) { record.state.withLock { $0.resets.contains(refused) } })
      await loop.run { connection.close() }
      #expect(await eventually { record.state.withLock { $0.closures } == [nil] })
      // Another than it is.
      let mistaken = PeerRecord()
      PeerConnection.dial(
        try target.naming(PeerSetup.configuration().peerID), on: loop, configuration: PeerSetup.configuration(),
        handlers: mistaken.handlers(echoes: false))
      #expect(
        await eventually(within: .seconds(10)) {
          mistaken.state.withLock { $0.closures } == [.peer(.noise(.wrongPeer(id)))]
        })
      #expect(mistaken.state.withLock { $0.peers } == [])
    }
    withExtendedLifetime(script) {}
  }

  /// What we do not read, it does not send: one window, and the rest when there is room.
  private func hold(_ connection: PeerConnection, _ record: PeerRecord) async throws {
    let opened = await record.open(echo, text(1 << 20), on: connection, holds: true)
    let id = try #require(opened)
    let count = { record.state.withLock { $0.received[id]?.count ?? 0 } }
    #expect(await eventually(within: .seconds(20)) { count() >= rest })
    try await Task.sleep(for: .milliseconds(300))
    #expect(count() == rest)
    await connection.loop.run { record.release(id, on: connection, echoes: false) }
    #expect(await eventually(within: .seconds(20)) { count() == 1 << 20 })
    #expect(record.state.withLock { $0.received[id] } == text(1 << 20))
    await connection.loop.run { connection.finish(id) }
  }

  /// What it says of itself: `/ipfs/id/1.0.0`.
  private func identify(_ connection: PeerConnection, _ record: PeerRecord, _ target: Multiaddr) async throws {
    let opened = await record.open("/ipfs/id/1.0.0", [], on: connection)
    let id = try #require(opened)
    #expect(await eventually(within: .seconds(10)) { record.state.withLock { $0.finished.contains(id) } })
    let message = record.state.withLock { $0.received[id] ?? [] }
    let prefix = try Varint.decode(Array(message.prefix(9)))
    #expect(prefix.byteCount + Int(prefix.value) == message.count)
    let fields = try #require(Protobuf.fields(Array(message.dropFirst(prefix.byteCount))))
    let values = { (number: UInt64) in
      fields.compactMap { field in
        if case .bytes(let bytes) = field.value, field.number == number { bytes } else { nil }
      }
    }
    let key = try #require(values(1).first)
    #expect(PeerID(try PeerPublicKey(encoded: key)) == target.peerID)
    let addresses = try values(2).map { try Multiaddr(bytes: $0) }
    let dialled = target.components.dropLast()
    #expect(addresses.contains { $0.components.starts(with: dialled) }, "\(addresses)")
    #expect(values(3).contains(Array(ping.utf8)))
    await connection.loop.run { connection.finish(id) }
  }

  /// It dials, we listen.
  func listen(_ address: String, early: Bool) async throws {
    try await withLoop { loop in
      let (record, own) = (PeerRecord(), PeerSetup.configuration(early: early))
      let listener = try PeerListener(
        loop: loop, address: Multiaddr(parsing: address), configuration: own, handlers: record.handlers(echoes: true))
      let script = try foreign.dial("dial", listener.address)
      // It has sent on a stream what it could, and we have read nothing.
      let waiting = try await script.json()
      #expect(waiting["event"]?.stringValue == "held", "\(waiting)")
      let (id, count) = try #require(record.state.withLock { $0.held.first })
      #expect(count == rest)
      let connection = try #require(record.state.withLock { $0.connections.first })
      await loop.run { record.release(id, on: connection, echoes: true) }
      let outcome = try await script.json()
      #expect(outcome["event"]?.stringValue == "done", "\(outcome)")
      #expect(outcome["pings"]?.int64Value == 3)
      let echoed = outcome["echoed"]?.arrayValue ?? []
      #expect(echoed.compactMap { $0["size"]?.int64Value } == sizes.map(Int64.init))
      #expect(echoed.allSatisfy { $0["same"]?.boolValue == true }, "\(outcome)")
      let size = try #require(outcome["held"]?["size"]?.int64Value)
      #expect(try #require(waiting["sent"]?.int64Value) < size)
      #expect(outcome["held"]?["same"]?.boolValue == true)
      #expect(outcome["refused"]?.stringValue?.isEmpty == false)
      #expect(record.state.withLock { $0.peers } == [try? foreign.peer(outcome)])
      #expect(record.state.withLock { $0.opened.filter { $0 == echo }.count } == sizes.count)
      #expect(record.state.withLock { $0.unsentByteCount } <= window)
      // Another than we are.
      let mistake = try foreign.dial("mistake", listener.address.naming(PeerSetup.configuration().peerID))
      let mistaken = try await mistake.json()
      #expect(mistaken["refused"]?.stringValue?.isEmpty == false, "\(mistaken)")
      #expect(record.state.withLock { $0.peers.count } == 1)
      await listener.close()
    }
  }

  /// What both say first, through a relay that notes it.
  func opening(early: Bool, dials: Bool) async throws -> (dialer: [JSONValue], listener: [JSONValue]) {
    try await withLoop { loop in
      let record = PeerRecord()
      let own = PeerSetup.configuration(early: early)
      let port = { (address: Multiaddr) in address.components[1].text ?? "" }
      let relay: Script
      let script: Script
      var listener: PeerListener?
      if dials {
        let (started, target) = try await foreign.listen(PeerSetup.addresses[0])
        script = started
        relay = try Script("libp2p_relay.py", [port(target)])
        let middle = try #require(try await relay.json()["port"]?.int64Value)
        let address = try Multiaddr(parsing: "/ip4/127.0.0.1/tcp/\(middle)").naming(#require(target.peerID))
        PeerConnection.dial(address, on: loop, configuration: own, handlers: record.handlers(echoes: false))
        #expect(await eventually(within: .seconds(20)) { record.state.withLock { !$0.connections.isEmpty } })
        let connection = try #require(record.state.withLock { $0.connections.first })
        #expect(await record.echo(text(32), ping, on: connection) == text(32))
      } else {
        let here = try PeerListener(
          loop: loop, address: Multiaddr(parsing: PeerSetup.addresses[0]), configuration: own,
          handlers: record.handlers(echoes: true))
        listener = here
        relay = try Script("libp2p_relay.py", [port(here.address)])
        let middle = try #require(try await relay.json()["port"]?.int64Value)
        script = try foreign.dial("dial", Multiaddr(parsing: "/ip4/127.0.0.1/tcp/\(middle)").naming(own.peerID))
        #expect(await eventually(within: .seconds(20)) { record.state.withLock { !$0.held.isEmpty } })
      }
      try relay.goOn()
      let said = try await relay.json()
      await listener?.close()
      withExtendedLifetime(script) {}
      return (said["dialer"]?.arrayValue ?? [], said["listener"]?.arrayValue ?? [])
    }
  }
}

@Suite("py-libp2p at the other end", .enabled(if: Foreign.python.isThere, Foreign.absence), .serialized)
struct PythonPeerTests {
  @Test("it listens, we dial", arguments: PeerSetup.addresses, [true, false])
  func listens(address: String, early: Bool) async throws {
    try await Trial(foreign: .python).dial(address, early: early)
  }

  @Test("it dials, we listen", arguments: PeerSetup.addresses, [true, false])
  func dials(address: String, early: Bool) async throws {
    try await Trial(foreign: .python).listen(address, early: early)
  }

  /// It differs where a peer ID is a CID, whose bytes it keeps, and takes addresses without their first `/`.
  @Test("its multiaddrs are ours, as text and as bytes")
  func multiaddrs() async throws {
    let peer = PeerSetup.configuration().peerID
    let words = [
      "/ip4/127.0.0.1/tcp/4001", "/ip6/2001:DB8::1:0:0:1/tcp/0/ws", "/ip6/::ffff:192.0.2.1/tcp/65535/wss",
      "/dns4/example.org/tcp/443/tls/ws/p2p/\(peer)", "/dns/a.b/tcp/1", "/dns6/x/tcp/2", "/dnsaddr/example.org",
      "/ip4/192.0.2.7/udp/4001/quic-v1/webtransport/certhash/uEgMBAgM", "/p2p/\(peer)/p2p-circuit",
      "/ip4/1.2.3.4/tcp/1/tls/sni/example.org/ws", "/ip4/1.2.3.4/udp/1/webrtc-direct",
      // What neither takes.
      "/ip4/1.2.3.256", "/ip4/1.2.3", "/ip6/::1::", "/tcp/65536", "/tcp/-1", "/nobody/1", "/ip4", "/p2p/Qm",
    ]
    let script = try Script("multiaddr_witness.py", words, python: Foreign.environment)
    let answers = try #require(try await script.json().arrayValue)
    #expect(answers.count == words.count)
    for (word, answer) in zip(words, answers) {
      let ours = try? Multiaddr(parsing: word)
      #expect(answer["hex"]?.stringValue == ours?.bytes.hex, "\(word): \(answer)")
      #expect(answer["text"]?.stringValue == ours?.description, "\(word): \(answer)")
    }
  }
}

@Suite("go-libp2p at the other end", .enabled(if: Foreign.go.isThere, Foreign.absence), .serialized)
struct GoPeerTests {
  @Test("it listens, we dial", arguments: PeerSetup.addresses, [true, false])
  func listens(address: String, early: Bool) async throws { try await Trial(foreign: .go).dial(address, early: early) }

  @Test("it dials, we listen", arguments: PeerSetup.addresses, [true, false])
  func dials(address: String, early: Bool) async throws { try await Trial(foreign: .go).listen(address, early: early) }

  /// The header and a proposal of multistream-select, each with its tag: 20 and 14 bytes.
  private let header = 20 + 16, muxer = 14 + 16

  @Test(
    "the muxer named in the handshake saves the round of multistream-select, seen on the wire",
    arguments: [true, false])
  func early(dials: Bool) async throws {
    let early = try await Trial(foreign: .go).opening(early: true, dials: dials)
    let late = try await Trial(foreign: .go).opening(early: false, dials: dials)
    for said in [early, late] {
      // Noise comes next on both sides, and its three messages; what go says it may say in two.
      #expect(said.dialer.contains("/noise") && said.listener.contains("/noise"))
    }
    let after = { (said: [JSONValue], count: Int) in
      said.drop { $0 != "/noise" }.dropFirst(1 + count).compactMap { $0.int64Value.map(Int.init) }
    }
    // Message 1 and 3 are the dialer's, message 2 the listener's: then each side says header and muxer, or at once a frame of
    // yamux, of 12 bytes and the tag at least.
    let isSelection = { (lengths: [Int]) in
      lengths.first == header + muxer - 16 || Array(lengths.prefix(2)) == [header, muxer]
    }
    #expect(isSelection(after(late.dialer, 2)), "\(late.dialer)")
    #expect(isSelection(after(late.listener, 1)), "\(late.listener)")
    #expect(!isSelection(after(early.dialer, 2)), "\(early.dialer)")
    #expect(!isSelection(after(early.listener, 1)), "\(early.listener)")
    #expect(after(early.dialer, 2).count > 0 && after(early.listener, 1).count > 0)
  }
}
