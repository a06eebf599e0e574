import Foundation
import Parley

/// The command line: finds the command, reads its words, runs it, and turns what goes wrong into a sentence and an
/// exit code.
///
/// Exit codes: 0 done; 1 it was refused or failed, and the message says why; 2 the command line could not be read;
/// 3 no node is running in this home.
@main
enum ParleyCommandLine {
  static let commands: [Command] = [
    .initialize, .identity, .rotate, .resolve, .up, .maker, .connect, .peers, .requestForQuote, .quotes, .best, .quote,
    .counter, .accept, .confirm, .decline, .withdraw, .cancel, .pass, .repair, .trades, .status, .receipt, .verify,
    .journalVerify, .journalProve, .journalBackup, .journalRestore, .limitsSet, .limitsReload, .limitsRefusals, .limits,
    .kill, .protectionReset, .chain, .surface, .demo,
  ]

  static func main() async {
    exit(await run(Array(CommandLine.arguments.dropFirst())))
  }

  static func run(_ words: [String]) async -> Int32 {
    guard let name = words.first, !["--help", "-h", "help"].contains(name) || words.count > 1 else {
      Terminal.print(overview)
      return words.isEmpty ? 2 : 0
    }
    if name == "--version" {
      Terminal.print("parley \(version)")
      return 0
    }
    let called = name == "help" ? Array(words.dropFirst()) : words
    guard let command = commands.first(where: { called.starts(with: $0.words) }) else {
      let group = commands.filter { $0.words.first == called[0] }
      guard !group.isEmpty else {
        return fail("there is no command '\(called[0])'", hint: "see 'parley --help'", exitCode: 2)
      }
      let names = group.compactMap(\.words.last).joined(separator: "|")
      let usage = "Usage: parley \(called[0]) \(names) [options]"
      guard called.count == 1 || called[1] == "--help" else {
        return fail("there is no command '\(called[0]) \(called[1])'", hint: usage, exitCode: 2)
      }
      Terminal.print(usage + "\n\n" + rows(group).joined(separator: "\n"))
      return called.count == 1 && name != "help" ? 2 : 0
    }
    let rest = Array(called.dropFirst(command.words.count))
    if name == "help" || rest.prefix(while: { $0 != "--" }).contains("--help") {
      Terminal.print(command.help)
      return 0
    }
    do {
      try await command.run(Arguments(rest, for: command))
      return 0
    } catch let error as UsageError {
      return fail(error.message, hint: error.hint, exitCode: 2)
    } catch let error as CommandFailure {
      return fail(error.message, hint: error.hint, exitCode: error.exitCode)
    } catch let error as ControlError {
      return fail(error.message, hint: error.hint, exitCode: error.isNodeAbsent ? 3 : 1)
    } catch let error as NodeError {
      return fail(error.description, hint: error.hint, exitCode: 1)
    } catch {
      return fail("\(error)", hint: nil, exitCode: 1)
    }
  }

  static let version = "0.1.0"

  private static func fail(_ message: String, hint: String?, exitCode: Int32) -> Int32 {
    Terminal.endProgress()
    Terminal.complain("parley: \(message)")
    if let hint { Terminal.complain("  \(hint)") }
    return exitCode
  }

  private static func rows(_ commands: [Command]) -> [String] {
    let width = commands.map(\.name.count).max() ?? 0
    return commands.map { command in
      "  \(command.name)\(String(repeating: " ", count: width - command.name.count))  \(command.summary)"
    }
  }

  private static var overview: String {
    """
    Parley: two people who trade options deal with each other directly.

    Usage: parley COMMAND [arguments] [options]

    \(rows(commands).joined(separator: "\n"))

    'parley COMMAND --help' explains one. Start with 'parley demo', or with 'parley init' and 'parley up'.
    """
  }
}
