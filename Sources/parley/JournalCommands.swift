import Foundation
import Parley

extension Option {
  fileprivate static let held = Option(
    "--checkpoint", "FILE", repeatable: true,
    "A checkpoint of this journal that somebody else holds: the journal must begin with what it signs.")
}

extension Arguments {
  /// Asks the node that runs in this home, or opens its journal where none does.
  fileprivate func callJournal(_ method: String, _ parameters: JSONObject = JSONObject()) async throws -> JSONValue {
    do throws(ControlError) {
      return try await call(method, parameters)
    } catch {
      guard error.isNodeAbsent else { throw error }
    }
    let signer = try nodeHome.openSigner(passphrase: passphrase.read())
    return try OfflineJournal(nodeHome, signer: signer).call(method, parameters)
  }

  fileprivate func files(_ name: String) throws(CommandFailure) -> [[UInt8]] {
    var files: [[UInt8]] = []
    for path in all(name) { files.append(try Self.contents(path)) }
    return files
  }

  fileprivate static func contents(_ path: String) throws(CommandFailure) -> [UInt8] {
    guard let contents = FileManager.default.contents(atPath: path) else {
      throw CommandFailure("\(path) cannot be read")
    }
    return [UInt8](contents)
  }
}

extension JSONValue {
  fileprivate func text(_ name: String) throws(CommandFailure) -> String {
    guard let text = self[name]?.stringValue else { throw CommandFailure("the node's answer held no \(name)") }
    return text
  }
}

extension Command {
  static let journalVerify = Command(
    name: "journal verify", summary: "Check this node's journal, from its first entry to its last.", positionals: [],
    options: [.home, .held, .json],
    notes: """
      Every entry and its link, every node of the tree, every document, and every checkpoint that was ever signed. The
      first thing that does not hold is named with its entry, and the exit code is 1. A node may be running. No
      passphrase is needed.
      """
  ) { arguments in
    let report = try JournalAudit.verify(arguments.nodeHome, against: arguments.files("--checkpoint")) { checked in
      Terminal.progress("parley: \(checked) entries checked …")
    }
    Terminal.endProgress()
    arguments.show(report.json) { _ in report.lines }
  }

  static let journalProve = Command(
    name: "journal prove", summary: "Prove to others what is in this node's journal.", positionals: [],
    options: [
      .home, Option("--entry", "N", "That the journal holds this entry: a C2SP tlog-proof with the entry in it."),
      Option("--dialogue", "ID", "What was said in a dialogue, however it ended: a receipt."),
      Option("--since", "FILE", "That the journal only grew since this checkpoint: a C2SP consistency proof."),
      Option("--under", "FILE", "Prove it under this checkpoint, not under a new one."),
      Option("--out", "FILE", "Where to write it."), .passphraseFile, .passphraseEnvironment, .json,
    ],
    notes: """
      With none of the first three it writes the newest signed checkpoint. A running node is asked; where none runs, the
      passphrase is needed, because a checkpoint is signed. Others check the file with 'parley verify' or with
      Tests/Interop/verify_receipt.py.
      """
  ) { arguments in
    var parameters = JSONObject()
    var name = "checkpoint.txt"
    if let entry = arguments["--entry"] {
      parameters["entry"] = .string(entry)
      name = "entry-\(entry.prefix(20)).tlog-proof"
    }
    if let dialogue = arguments["--dialogue"] {
      parameters["dialogue"] = .string(dialogue)
      name = "receipt-\(dialogue.prefix(12)).json"
    }
    if let since = arguments["--since"] {
      parameters["since"] = .string(String(decoding: try Arguments.contents(since), as: UTF8.self))
      name = "growth.txt"
    }
    guard parameters.keys.count <= 1 else { throw UsageError("give one of --entry, --dialogue and --since") }
    let isCheckpoint = parameters.keys.isEmpty
    if let under = arguments["--under"] {
      guard !isCheckpoint else { throw UsageError("--under goes with --entry, --dialogue or --since") }
      parameters["under"] = .string(String(decoding: try Arguments.contents(under), as: UTF8.self))
    }
    let path = arguments["--out"] ?? name
    let proof =
      try await isCheckpoint
      ? arguments.callJournal("checkpoint").text("checkpoint")
      : arguments.callJournal("prove", parameters).text("proof")
    do {
      try Data(proof.utf8).write(to: URL(filePath: path), options: .atomic)
    } catch {
      throw CommandFailure("\(path) cannot be written: \(error.localizedDescription)")
    }
    arguments.show(["proof": .string(path)]) { _ in ["Wrote \(path)"] }
  }

  static let journalBackup = Command(
    name: "journal backup", summary: "Write an encrypted backup of this home, while the node runs.",
    positionals: ["FILE"],
    options: [
      .home,
      Option("--close", "Close this home for good, to move the node: nothing can come after the backup."),
      .passphraseFile, .passphraseEnvironment, .json,
    ],
    notes: """
      Keys, documents, counterparties and every entry, under the keystore's passphrase. It ends in a signed checkpoint, so
      that nothing can be missing unnoticed. After a kill there is the whole file or none.
      A node restored from it deals with no counterparty of before, because it may have signed more since; after --close it
      cannot have, and the restored node goes on with all.
      """
  ) { arguments in
    let home = arguments.nodeHome
    let passphrase = try arguments.passphrase.read()
    // A passphrase mistyped here would be one that nobody remembers.
    let signer = try home.openSigner(passphrase: passphrase)
    var checkpoint: String?
    if !arguments.has("--close") {
      do throws(ControlError) {
        checkpoint = try await arguments.call("checkpoint")["checkpoint"]?.stringValue
      } catch {
        guard error.isNodeAbsent else { throw error }
      }
    }
    // Held until the backup is written, so that no node starts meanwhile in a home that was closed.
    let offline = checkpoint == nil ? try OfflineJournal(home, signer: signer) : nil
    let note: String
    if let checkpoint {
      note = checkpoint
    } else if arguments.has("--close") {
      note = try offline?.close() ?? ""
    } else {
      note = try offline?.call("checkpoint").text("checkpoint") ?? ""
    }
    let path = arguments.positionals[0]
    let report = try NodeBackup.write(home, to: path, checkpoint: note, passphrase: passphrase) { written in
      Terminal.progress("parley: \(written) entries written …")
    }
    Terminal.endProgress()
    arguments.show(report.json) { _ in
      [
        "Wrote \(path): \(report.entries) entries of \(report.did)",
        "  root  \(report.root), signed",
      ] + (report.isComplete ? ["  This home is closed. 'parley journal restore' takes the node up elsewhere."] : [])
    }
  }

  static let journalRestore = Command(
    name: "journal restore", summary: "Restore a backup into a new home, and prove that nothing is missing.",
    positionals: ["FILE"],
    options: [.home, .held, .passphraseFile, .passphraseEnvironment, .json],
    notes: """
      The home must not exist, or be an empty folder. It appears whole or not at all: only once every entry is back and the
      root over them is the one that was signed. Give --checkpoint with what counterparties hold, and a backup that is older
      is refused.
      """
  ) { arguments in
    let home = arguments.nodeHome
    let report = try NodeBackup.restore(
      arguments.positionals[0], into: home, passphrase: arguments.passphrase.read(),
      against: arguments.files("--checkpoint")
    ) { restored in
      Terminal.progress("parley: \(restored) entries restored …")
    }
    Terminal.endProgress()
    arguments.show(report.json) { _ in
      [
        "Restored \(report.did) to \(home.folder.path())",
        "  \(report.entries) entries, root \(report.root): exactly what its checkpoint signs",
        report.isComplete
          ? "  The journal had been closed before the backup: the node goes on with all its counterparties."
          : "  What was signed after this backup is lost. Counterparties of before are told (LOST_SELF), and not dealt with.",
      ]
    }
  }
}
