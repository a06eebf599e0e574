import Foundation
import ParleyIO
import ParleyJournal
import ParleyStore
import ParleyWire
import TestSupport
import Testing

@testable import ParleyIdentity
@testable import ParleyNode

/// What becomes of a connected peer when its document changes: a real web server, real sockets, short times.
@Suite("Documents of connected peers", .serialized, .enabled(if: WebSite.isPossible, "needs .deps/venv"))
struct WatchTests {
  @Test("a session whose key is gone from the document ends, and no other takes its place")
  func revoked() async throws {
    try await Scene.with { scene in
      let maker = try await scene.web("maker")
      let taker = try await scene.watcher(of: maker)
      try await Task.sleep(for: .milliseconds(500))
      #expect(await taker.isSteady, "the document holds")
      let other = try await scene.web("other")
      #expect(await RenewalTests.eventually { await !taker.isConnected })
      try await Task.sleep(for: .milliseconds(500))
      #expect(await !taker.isConnected)
      guard case .keysChanged? = await scene.failure({ try await taker.connect(scene.did) }) else {
        throw Fault("the keys are gone")
      }
      for node in [taker, maker, other] { await node.stop() }
    }
  }

  @Test("a session goes on when its keys have signed for the new ones, which are pinned from then on")
  func rotated() async throws {
    try await Scene.with { scene in
      let maker = try await scene.web("maker")
      let taker = try await scene.watcher(of: maker)
      let made = try scene.home("maker").beginRotation(passphrase: Scene.passphrase, postQuantum: false)
      // The statements first: who sees the document can see them too.
      try scene.publish(from: "maker")
      #expect(await RenewalTests.eventually { (try? await taker.statements(scene.did).count) == 1 })
      try await Task.sleep(for: .milliseconds(500))
      #expect(await taker.isSteady, "one channel, all the time")
      #expect(try await taker.call("peers")[0]?["fingerprint"]?.stringValue == "\(KeyFingerprint(made))")
      #expect(try await taker.statements(scene.did).count == 1, "followed once")
      for node in [taker, maker] { await node.stop() }
    }
  }

  @Test(
    "a web server that is down ends a session only when its document was last seen too long ago", arguments: [60, 1])
  func unseen(grace: Int) async throws {
    try await Scene.with { scene in
      let maker = try await scene.web("maker")
      let taker = try await scene.watcher(of: maker, grace: .seconds(grace))
      scene.site.stop()
      if grace == 60 {
        try await Task.sleep(for: .seconds(2))
        #expect(await taker.isSteady)
      } else {
        #expect(await RenewalTests.eventually { await !taker.isConnected })
      }
      for node in [taker, maker] { await node.stop() }
    }
  }

  @Test("a DID that signs for another document than its server shows is kept as evidence, once, and refused")
  func splitView() async throws {
    try await Scene.with { scene in
      let maker = try await scene.web("maker")
      let listening = try await scene.plain("listening", listens: true)
      // The same keys, in another document.
      let shown = String(decoding: maker.identity.documentBytes, as: UTF8.self).replacing("ws://", with: "wss://")
      try scene.site.publish(Array(shown.utf8), as: "did.json")
      _ = try await listening.approve(scene.did, fingerprint: "\(KeyFingerprint(maker.identity))")
      for _ in 0..<2 {
        #expect(await scene.failure { try await maker.connect(NodeIdentity.longForm(listening.identity)) } != nil)
      }
      let query = EntryQuery(peer: scene.did, kind: Node.evidenceEntryKind)
      let entries = try listening.store.reader.entries(matching: query).map(\.body).compactMap(SightingEntry.init)
      let theirs = try #require(entries.last)
      #expect(theirs.hash == maker.identity.documentHash && theirs.bytes.isEmpty)
      let document = try DIDDocument(parsing: Array(shown.utf8), for: DID(parsing: scene.did))
      #expect(entries.dropLast().contains { $0.hash == document.hash && $0.bytes == Array(shown.utf8) })
      #expect(entries.count == Int(theirs.count) && Set(entries.map(\.index)).count == entries.count)
      let views = try await listening.call("peers")[0]?["split_views"]
      #expect(views?.arrayValue?.count == 1)
      #expect(views?[0]?["hashes"]?.arrayValue?.last?.stringValue == maker.identity.documentHash.hex)
      for node in [listening, maker] { await node.stop() }
    }
  }

  @Test("a document of a split view reads back, and nothing else reads as one")
  func coding() throws {
    let hash = [UInt8](repeating: 7, count: 32)
    let sighting = SplitView.Sighting(hash: hash, bytes: [1, 2, 3], time: UnixNanoseconds(-5))
    let entry = SightingEntry(sighting, index: 1, count: 2)
    #expect(SightingEntry(entry.encoded) == entry && entry.time == sighting.time && entry.bytes == [1, 2, 3])
    for count in 0..<entry.encoded.count { #expect(SightingEntry(Array(entry.encoded[..<count])) == nil) }
    #expect(SightingEntry(entry.encoded + [0]) == nil)
    #expect(SightingEntry([2] + entry.encoded.dropFirst()) == nil)
  }
}

extension Node {
  /// Whether the first channel is still the one.
  fileprivate var isSteady: Bool { isConnected && nextChannelNumber == 1 }
}
