import Foundation
import Parley
import TestSupport
import Testing

/// `parley journal` as an owner uses it, and what strangers make of its files.
@Suite("The record", .serialized)
struct JournalTests {
  static let script = SharedVectors.root.appending(path: "Tests/Interop/verify_receipt.py").path()

  /// What the Python program says.
  static func python(_ words: [String], in folder: URL) async throws -> JSONValue {
    let child = try Child(
      Programs.python, ["-B", script] + words, in: folder, name: "verify-\(UUID().uuidString.prefix(8))")
    await child.end()
    guard let report = child.lines.last else { throw Failure("\(words): \(child.log)") }
    return report
  }

  private static func parley(_ words: [String], in folder: URL, passphrase: String = "correct horse") async throws
    -> CommandLineTests.Run
  {
    try await CommandLineTests.parley(words, in: folder, passphrase: passphrase)
  }

  /// A taker that has traded with a maker, and the trade's dialogue.
  private static func traders(
    in folder: URL
  ) async throws -> (maker: RunningNode, taker: RunningNode, dialogue: String) {
    let maker = try await InteropTests.maker(in: folder, more: ["--quote-life", "20"])
    let taker = try await RunningNode("taker", in: folder, endpoint: nil, ["up"])
    _ = try await taker.call("connect", ["did": .string(maker.longForm)])
    let asked = try await taker.call(
      "rfq", ["instrument": .string(InteropTests.instrument), "amount": "0.1", "side": "buy"])
    let dialogue = asked["dialogue"]?.stringValue ?? ""
    let accepted = try await taker.call("accept", ["dialogue": .string(dialogue)])
    guard accepted["phase"]?.stringValue == "traded" else { throw Failure(accepted.serialized()) }
    return (maker, taker, dialogue)
  }

  @Test("receipts of a dialogue at each of its stages: both verifiers come to one verdict")
  func verdicts() async throws {
    try await InteropTests.withFolder { folder in
      let (maker, taker, dialogue) = try await Self.traders(in: folder)
      let declined = try PythonPeer(
        try InteropTests.initiate(maker, ["--misbehave", "expired-accept"]), in: folder, name: "late")
      await declined.child.end()
      let makers = try #require(try await maker.call("quotes", ["all": true]).arrayValue)
      await taker.stop()
      var words: Set<String> = []
      for issuer in [taker.home, maker.home] {
        if issuer.folder == maker.home.folder { await maker.stop() }
        let signer = try issuer.openSigner(passphrase: Array("correct horse".utf8))
        let reader = try JournalReader(path: issuer.journal.path())
        let journal = try OfflineJournal(issuer, signer: signer)
        let dialogues =
          issuer.folder == maker.home.folder ? makers.compactMap { $0["dialogue"]?.stringValue } : [dialogue]
        for (number, dialogue) in dialogues.enumerated() {
          let group = try #require([UInt8](hex: dialogue))
          for entry in try reader.entries(matching: EntryQuery(group: group, kind: 1)) {
            let size = entry.sequence + 1
            let note = Checkpoint.sign(size: size, root: try reader.root(size: size), by: signer)
            let under = String(decoding: note.encoded, as: UTF8.self)
            let proof = try journal.call("prove", ["dialogue": .string(dialogue), "under": .string(under)])
            let receipt = proof["proof"]?.stringValue ?? ""
            let file = folder.appending(path: "\(issuer.folder.lastPathComponent)-\(number)-\(size).json")
            try Data(receipt.utf8).write(to: file)
            let theirs = try await Self.python([file.path()], in: folder)["verdict"]?.stringValue ?? ""
            let ours = ReceiptVerifier.verify(Array(receipt.utf8)).verdict
            #expect(ours.hasPrefix(theirs), "\(file.lastPathComponent): \(ours), and in Python \(theirs)")
            words.insert(theirs)
          }
        }
      }
      #expect(words.isSuperset(of: ["NO_ACCEPT", "IN_DOUBT", "TRADED"]))
    }
  }

  @Test("every byte of a receipt, of a checkpoint and of the proofs: changed, and refused by both verifiers")
  func changes() async throws {
    try await InteropTests.withFolder { folder in
      let (maker, taker, dialogue) = try await Self.traders(in: folder)
      let home = ["--home", taker.home.folder.path()]
      func path(_ name: String) -> String { folder.appending(path: name).path() }
      for words in [
        ["--out", path("old")], ["--dialogue", String(dialogue.prefix(8)), "--out", path("receipt")],
        ["--entry", "3", "--out", path("entry")],
      ] {
        let run = try await Self.parley(["journal", "prove"] + home + words, in: folder)
        #expect(run.code == 0, "\(run.complaint)")
      }
      _ = try await taker.call("rfq", ["instrument": .string(InteropTests.instrument), "amount": "0.1", "side": "buy"])
      let grown = try await Self.parley(
        ["journal", "prove", "--since", path("old"), "--out", path("growth")] + home, in: folder)
      #expect(grown.code == 0, "\(grown.complaint)")
      let issuer = ["--issuer", taker.longForm]
      let cases = [
        ("TRADED", ["receipt"]), ("SIGNED", ["old"] + issuer), ("INCLUDED", ["entry"] + issuer),
        ("CONSISTENT", ["growth", "--since", path("old")] + issuer),
      ]
      for (word, words) in cases {
        let report = try await Self.python(["--changes", path(words[0])] + words.dropFirst(), in: folder)
        #expect(
          report["verdict"]?.stringValue == word && report["unnoticed"]?.arrayValue == [], "\(report.serialized())")
        #expect(report["bytes"]?.int64Value ?? 0 > 200)
      }
      await maker.stop()
      let receipt = [UInt8](try Data(contentsOf: URL(filePath: path("receipt"))))
      #expect(ReceiptVerifier.verify(receipt).isTraded)
      for place in receipt.indices {
        var changed = receipt
        changed[place] ^= 1 << UInt8(place % 8)
        let verdict = ReceiptVerifier.verify(changed).verdict
        if !verdict.hasPrefix("INVALID") { Issue.record("byte \(place): \(verdict)") }
      }
      let verified = try await Self.parley(["journal", "verify", "--checkpoint", path("old")] + home, in: folder)
      #expect(verified.code == 0 && verified.text.contains("2 signed so far"), "\(verified.text)\(verified.complaint)")
    }
  }

  @Test("a backup of a running node: restored, its counterparties are told; closed first, it goes on with them")
  func restore() async throws {
    try await InteropTests.withFolder { folder in
      let (maker, taker, dialogue) = try await Self.traders(in: folder)
      func path(_ name: String) -> String { folder.appending(path: name).path() }
      let home = ["--home", taker.home.folder.path()]
      let backup = try await Self.parley(["journal", "backup", path("one")] + home, in: folder)
      #expect(backup.code == 0, "\(backup.complaint)")
      let again = try await Self.parley(["journal", "backup", path("one")] + home, in: folder)
      #expect(again.code == 1 && again.complaint.contains("nothing is written over"), "\(again.complaint)")
      let open = try await Self.parley(["journal", "backup", path("two"), "--close"] + home, in: folder)
      #expect(open.code == 1 && open.complaint.contains("another node is using"), "\(open.complaint)")
      // More is signed after the backup, and a counterparty holds the newer checkpoint.
      _ = try await taker.call("rfq", ["instrument": .string(InteropTests.instrument), "amount": "0.1", "side": "buy"])
      _ = try await Self.parley(["journal", "prove", "--out", path("newest")] + home, in: folder)
      await taker.stop()
      let closed = try await Self.parley(["journal", "backup", path("two"), "--close"] + home, in: folder)
      #expect(closed.code == 0, "\(closed.complaint)")
      let dead = try await Self.parley(["up"] + home, in: folder)
      #expect(dead.code == 1 && dead.complaint.contains("closed for good"), "\(dead.complaint)")
      try await Self.refusals(folder, path)

      let moved = try await Self.parley(
        ["journal", "restore", path("two"), "--home", path("moved"), "--checkpoint", path("newest")], in: folder)
      #expect(moved.code == 0 && moved.text.contains("goes on with all"), "\(moved.text)\(moved.complaint)")
      try await Self.up(path("moved"), in: folder) { node in
        _ = try await node.call("connect", ["did": .string(maker.longForm)])
        let asked = try await node.call(
          "rfq", ["instrument": .string(InteropTests.instrument), "amount": "0.1", "side": "buy"])
        #expect(asked["theirs"] != .null)
        #expect(try await node.call("trades").arrayValue?.count == 1)
      }

      let restored = try await Self.parley(["journal", "restore", path("one"), "--home", path("old")], in: folder)
      #expect(restored.code == 0 && restored.text.contains("LOST_SELF"), "\(restored.text)\(restored.complaint)")
      try await Self.up(path("old"), in: folder) { node in
        _ = try await node.call("connect", ["did": .string(maker.longForm)])
        await #expect(throws: ControlError.self) {
          try await node.call("rfq", ["instrument": .string(InteropTests.instrument), "amount": "0.1", "side": "buy"])
        }
        let deadline = ContinuousClock.now + .seconds(20)
        while !maker.log.contains("code=LOST_SELF by=peer"), ContinuousClock.now < deadline {
          try await Task.sleep(for: .milliseconds(20))
        }
        #expect(maker.log.contains("code=LOST_SELF by=peer"), "\(maker.log)")
        let proof = try await node.call("prove", ["dialogue": .string(dialogue)])["proof"]?.stringValue ?? ""
        #expect(ReceiptVerifier.verify(Array(proof.utf8)).isTraded)
      }
      for name in ["moved", "old"] {
        let verified = try await Self.parley(["journal", "verify", "--home", path(name)], in: folder)
        #expect(verified.code == 0, "\(verified.complaint)")
      }
      await maker.stop()
    }
  }

  /// Whatever cannot be restored says why, and leaves nothing behind.
  private static func refusals(_ folder: URL, _ path: (String) -> String) async throws {
    let file = [UInt8](try Data(contentsOf: URL(filePath: path("one"))))
    var damaged = file
    damaged[file.count - 9] ^= 1
    for (name, bytes) in [
      ("cut", Array(file.dropLast(20))), ("damaged", damaged), ("foreign", Array("not a backup".utf8)), ("empty", []),
    ] {
      try Data(bytes).write(to: URL(filePath: path(name)))
    }
    let cases = [
      (["cut"], "changed or cut"), (["damaged"], "changed or cut"), (["foreign"], "no backup"),
      (["empty"], "no backup"),
      (["absent"], "No such file"), (["one", "--checkpoint", path("newest")], "there are only"),
      (["one", "--checkpoint", path("foreign")], "no signed note"),
    ]
    for (words, complaint) in cases {
      let run = try await parley(
        ["journal", "restore", path(words[0]), "--home", path("new")] + words.dropFirst(), in: folder)
      #expect(run.code == 1 && run.complaint.contains(complaint), "\(words): \(run.complaint)")
      #expect(!FileManager.default.fileExists(atPath: path("new")), "\(words)")
      #expect(!FileManager.default.fileExists(atPath: path("new.partial")), "\(words)")
    }
    let wrong = try await parley(
      ["journal", "restore", path("one"), "--home", path("new")], in: folder, passphrase: "battery staple")
    #expect(wrong.code == 1 && wrong.complaint.contains("the passphrase is wrong"), "\(wrong.complaint)")
    #expect(!FileManager.default.fileExists(atPath: path("new")))
    let taken = try await parley(["journal", "restore", path("one"), "--home", folder.path()], in: folder)
    #expect(taken.code == 1 && taken.complaint.contains("nothing is written over"), "\(taken.complaint)")
  }

  private static func up(_ home: String, in folder: URL, _ body: (ControlClient) async throws -> Void) async throws {
    let child = try Child(
      Programs.parley, ["up", "--json", "--home", home], in: folder, name: "up-\(UUID().uuidString.prefix(8))",
      environment: ["PARLEY_PASSPHRASE": "correct horse"])
    _ = try await child.line(within: 30) { $0["event"]?.stringValue == "ready" }
    try await body(ControlClient(home: NodeHome(path: home)))
    await child.stop()
  }

  @Test("killed while it writes or restores a backup: there is the whole or nothing, and the next attempt succeeds")
  func kills() async throws {
    try await InteropTests.withFolder { folder in
      func path(_ name: String) -> String { folder.appending(path: name).path() }
      let home = NodeHome(path: path("home"))
      try home.initialize(
        Keystore.create(passphrase: SecretBytes(copying: Array("correct horse".utf8)), endpoint: nil, cost: .minimum))
      do {
        let store = try JournalStore(path: home.journal.path())
        let draft = try EntryDraft(time: UnixNanoseconds(1), kind: 9, body: [UInt8](repeating: 5, count: 900))
        for _ in 0..<8 { _ = try store.append(Array(repeating: draft, count: 1_000)) }
      }
      var random = SystemRandomNumberGenerator()
      var killed = 0
      for number in 0..<24 {
        let isBackup = number % 2 == 0
        let (file, new) = (path("file-\(number / 2)"), path("new-\(number / 2)"))
        let words = isBackup ? ["backup", file, "--home", path("home")] : ["restore", path("good"), "--home", new]
        if number == 1 {
          let good = try await Self.parley(["journal", "backup", path("good"), "--home", path("home")], in: folder)
          #expect(good.code == 0, "\(good.complaint)")
        }
        let child = try Child(
          Programs.parley, ["journal"] + words, in: folder, name: "kill-\(number)",
          environment: ["PARLEY_PASSPHRASE": "correct horse"])
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...1_200, using: &random)))
        await child.kill()
        let made = FileManager.default.fileExists(atPath: isBackup ? file : new)
        if !made { killed += 1 }
        if isBackup, made {
          let whole = try await Self.parley(["journal", "restore", file, "--home", path("of-\(number)")], in: folder)
          #expect(whole.code == 0, "\(whole.complaint)")
        } else if made {
          let verified = try await Self.parley(["journal", "verify", "--home", new], in: folder)
          #expect(verified.code == 0, "\(verified.complaint)")
        } else {
          let next = try await Self.parley(["journal"] + words, in: folder)
          #expect(next.code == 0, "\(next.complaint)")
        }
      }
      #expect(killed > 0, "nothing was interrupted")
    }
  }
}
