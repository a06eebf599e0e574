import Foundation
import ParleyCrypto
import ParleyHandshake
import ParleyIO
import ParleyIdentity
import ParleyJournal
import ParleyStore
import ParleyWire
import TestSupport
import Testing

@testable import ParleyNode

/// Who is let in, and under which keys: a real web server, real documents, real sockets.
@Suite("Pins", .serialized, .enabled(if: WebSite.isPossible, "needs .deps/venv"))
struct PinTests {
  @Test("a did:web comes in with its fingerprint only, and is pinned to its keys, also after a restart")
  func firstContact() async throws {
    try await Scene.with { scene in
      let maker = try await scene.web("maker")
      let taker = try await scene.plain("taker")
      let found = "\(KeyFingerprint(maker.identity))"
      guard case .fingerprint(_, found, nil)? = await scene.failure({ try await taker.connect(scene.did) }) else {
        throw Fault("nobody has compared its fingerprint yet")
      }
      let other = "\(KeyFingerprint(taker.identity))"
      guard
        case .fingerprint(_, found, other)? = await scene.failure({
          try await taker.approve(scene.did, fingerprint: other)
        })
      else { throw Fault("that is another one") }
      #expect(await taker.list == [:])
      _ = try await taker.approve(scene.did, fingerprint: found.uppercased().replacing("-", with: " "))
      _ = try await taker.connect(scene.did)
      #expect(await taker.list == [scene.did: "fingerprint"])
      await taker.stop()
      let again = try await scene.restart("taker")
      #expect(await again.list == [scene.did: "fingerprint"])
      _ = try await again.connect(scene.did)
      for node in [again, maker] { await node.stop() }
    }
  }

  @Test("other keys under a did:web are refused, by the one who calls and by the one who is called")
  func swapped() async throws {
    try await Scene.with { scene in
      let maker = try await scene.web("maker")
      let taker = try await scene.plain("taker")
      let approved = "\(KeyFingerprint(maker.identity))"
      _ = try await taker.approve(scene.did, fingerprint: approved)
      _ = try await taker.connect(scene.did)
      await maker.stop()
      // Somebody with the web server, but without the keys.
      let thief = try await scene.web("thief")
      let found = "\(KeyFingerprint(thief.identity))"
      guard case .keysChanged(_, found, approved)? = await scene.failure({ try await taker.connect(scene.did) }) else {
        throw Fault("the keys are not the pinned ones")
      }
      #expect(await taker.isConnected == false)
      await taker.stop()
      // The other way around: it calls, and has proved the keys that the server shows.
      let listening = try await scene.plain("listening", listens: true)
      try scene.site.publish(maker.identity.documentBytes, as: "did.json")
      _ = try await listening.approve(scene.did, fingerprint: approved)
      try scene.site.publish(thief.identity.documentBytes, as: "did.json")
      let refused = await scene.failure { try await thief.connect(NodeIdentity.longForm(listening.identity)) }
      guard case .refused(_, .keysChanged)? = refused else { throw Fault("\(String(describing: refused))") }
      #expect(await listening.isConnected == false)
      let waiting = try await listening.call("peers")
      #expect(waiting[0]?["refused"]?["fingerprint"]?.stringValue == found)
      // The owner's word is enough.
      _ = try await listening.approve(scene.did, fingerprint: found)
      _ = try await thief.connect(NodeIdentity.longForm(listening.identity))
      for node in [thief, listening] { await node.stop() }
    }
  }

  @Test("keys that the pinned ones have signed for are taken; by strangers, or played again, they are not")
  func rotated() async throws {
    try await Scene.with { scene in
      let maker = try await scene.web("maker")
      let taker = try await scene.plain("taker")
      let first = maker.identity
      _ = try await taker.approve(scene.did, fingerprint: "\(KeyFingerprint(first))")
      _ = try await taker.connect(scene.did)
      await maker.stop()
      let home = scene.home("maker")
      let made = try home.beginRotation(passphrase: Scene.passphrase, postQuantum: true)
      #expect(throws: NodeError.self) { try home.beginRotation(passphrase: Scene.passphrase, postQuantum: false) }
      // Not published yet: nothing is put in place.
      guard case .rotation? = await scene.failure({ try await home.finishRotation(scene.resolver) }) else {
        throw Fault("nobody could see it")
      }
      try scene.publish(from: "maker")
      #expect(try await home.finishRotation(scene.resolver) == made)
      let second = try await scene.restart("maker")
      #expect(second.identity == made && made.mldsa65 != nil)
      _ = try await taker.connect(scene.did)
      #expect(try await taker.call("peers")[0]?["fingerprint"]?.stringValue == "\(KeyFingerprint(made))")
      let statements = try await taker.statements(scene.did)
      #expect(statements.count == 1 && statements.first?.to == .init(made))

      // The first keys again, with every statement there is: they were replaced.
      await second.stop()
      try scene.site.publish(first.documentBytes, as: "did.json")
      guard case .keysChanged? = await scene.failure({ try await taker.connect(scene.did) }) else {
        throw Fault("an old statement leads nowhere")
      }
      // A stranger's keys, with a statement that the stranger signed.
      let stranger = try await scene.web("stranger")
      await stranger.stop()
      _ = try scene.home("stranger").beginRotation(passphrase: Scene.passphrase, postQuantum: true)
      try scene.publish(from: "stranger")
      guard case .keysChanged? = await scene.failure({ try await taker.connect(scene.did) }) else {
        throw Fault("the stranger's keys were not pinned")
      }
      #expect(try await taker.statements(scene.did).count == 1)
      await taker.stop()
    }
  }

  @Test("strangers are told to wait, the denied that they are denied, and all of it is listed")
  func strangers() async throws {
    try await Scene.with { scene in
      let maker = try await scene.plain("maker", listens: true)
      let taker = try await scene.plain("taker")
      let did = NodeIdentity.longForm(maker.identity)
      let start = ContinuousClock.now
      var refused = await scene.failure { try await taker.connect(did) }
      guard case .refused(_, .awaitingApproval)? = refused else { throw Fault("\(String(describing: refused))") }
      // Told, and not kept waiting for the handshake's whole time.
      #expect(ContinuousClock.now - start < .seconds(8))
      #expect(refused?.hint?.contains("parley id --fingerprint") == true)
      #expect(await maker.list == [taker.identity.did.string: "waiting"])
      _ = try await maker.call("approve", ["did": .string(taker.identity.did.string)])
      _ = try await taker.connect(did)
      #expect(await maker.list == [taker.identity.did.string: "approved"])
      _ = try await maker.call("deny", ["did": .string(taker.identity.did.string)])
      #expect(
        await RenewalTests.eventually {
          let (one, other) = (await maker.isConnected, await taker.isConnected)
          return !one && !other
        })
      refused = await scene.failure { try await taker.connect(did) }
      guard case .refused(_, .denied)? = refused else { throw Fault("\(String(describing: refused))") }
      #expect(await maker.list == [taker.identity.did.string: "denied"])
      guard case .denied? = await scene.failure({ try await maker.connect(NodeIdentity.longForm(taker.identity)) })
      else {
        throw Fault("nor is it called")
      }
      _ = try await maker.call("forget", ["did": .string(taker.identity.did.string)])
      #expect(await maker.list == [:])
      await #expect(throws: ControlError.self) {
        try await maker.call("forget", ["did": .string(taker.identity.did.string)])
      }
      refused = await scene.failure { try await taker.connect(did) }
      guard case .refused(_, .awaitingApproval)? = refused else { throw Fault("\(String(describing: refused))") }
      for node in [taker, maker] { await node.stop() }
    }
  }

  @Test("a node that is full says so")
  func full() async throws {
    try await Scene.with { scene in
      let maker = try await scene.plain("maker", listens: true) {
        $0.allowsAnyone = true; $0.maximumSessions = 1
      }
      let (first, second) = (try await scene.plain("first"), try await scene.plain("second"))
      let did = NodeIdentity.longForm(maker.identity)
      _ = try await first.connect(did)
      let refused = await scene.failure { try await second.connect(did) }
      guard case .refused(_, .busy)? = refused else { throw Fault("\(String(describing: refused))") }
      for node in [first, second, maker] { await node.stop() }
    }
  }
}

struct Fault: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

extension Node {
  /// The rotation statements that it has followed.
  func statements(_ did: String) throws -> [RotationStatement] {
    try store.reader.entries(matching: EntryQuery(peer: did, kind: Self.rotationEntryKind)).map {
      try RotationStatement(parsing: $0.body)
    }
  }

  /// Who is listed, and how they stand.
  var list: [String: String] {
    Dictionary(
      uniqueKeysWithValues: ((try? peerList()) ?? []).map { ($0.peer.did.string, $0.standing) })
  }

  /// Whether any peer has a channel.
  var isConnected: Bool { connectedCount > 0 }
}
