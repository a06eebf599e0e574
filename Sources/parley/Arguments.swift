/// One option of a command, as the help page shows it and the parser reads it.
struct Option: Sendable {
  let name: String
  /// The placeholder of its value; `nil` for a switch.
  let value: String?
  let help: String
  let isRepeatable: Bool

  /// A switch.
  init(_ name: String, _ help: String) {
    self.name = name
    value = nil
    self.help = help
    isRepeatable = false
  }

  /// An option with a value.
  init(_ name: String, _ value: String, repeatable: Bool = false, _ help: String) {
    self.name = name
    self.value = value
    self.help = help
    self.isRepeatable = repeatable
  }
}

/// One command of the command line: what it is called, what it takes and what it does.
struct Command: Sendable {
  let name: String
  let summary: String
  /// Positional arguments, in order; `[NAME]` marks an optional one.
  let positionals: [String]
  let options: [Option]
  /// A few lines below the options: examples, files, exit codes.
  let notes: String
  let run: @Sendable (Arguments) async throws -> Void

  /// The name's words: `journal verify` has two.
  var words: [String] { name.split(separator: " ").map(String.init) }

  /// The help page.
  var help: String {
    var usage = "parley \(name)"
    for positional in positionals { usage += " " + positional }
    var text = "\(summary)\n\nUsage: \(usage) [options]\n\nOptions:\n"
    let all = options + [Option("--help", "Show this page.")]
    let heads = all.map { option in option.value.map { "\(option.name) \($0)" } ?? option.name }
    let width = min(heads.map(\.count).max() ?? 0, 28)
    for (head, option) in zip(heads, all) {
      let pad = String(repeating: " ", count: max(0, width - head.count))
      text += "  \(head)\(pad)  \(option.help)\(option.isRepeatable ? " May be repeated." : "")\n"
    }
    if !notes.isEmpty { text += "\n\(notes)\n" }
    return text
  }
}

/// What was typed after a command's name.
struct Arguments: Sendable {
  private(set) var positionals: [String] = []
  private var values: [String: [String]] = [:]
  private var switches: Set<String> = []

  /// Reads `words` against a command's declaration.
  ///
  /// - Throws: ``UsageError`` that names the word and what was expected.
  init(_ words: [String], for command: Command) throws(UsageError) {
    var index = 0
    var onlyPositionals = false
    while index < words.count {
      let word = words[index]
      index += 1
      if onlyPositionals || !word.hasPrefix("--") {
        positionals.append(word)
        continue
      }
      if word == "--" {
        onlyPositionals = true
        continue
      }
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let name = parts[0]
      guard let option = command.options.first(where: { $0.name == name }) else {
        throw UsageError("'\(command.name)' has no option \(name)", hint: Self.nearest(name, in: command))
      }
      guard option.value != nil else {
        guard parts.count == 1 else { throw UsageError("\(name) takes no value") }
        switches.insert(name)
        continue
      }
      let value: String
      if parts.count == 2 {
        value = parts[1]
      } else if index < words.count {
        value = words[index]
        index += 1
      } else {
        throw UsageError("\(name) needs a value (\(option.value ?? ""))")
      }
      guard option.isRepeatable || values[name] == nil else { throw UsageError("\(name) was given twice") }
      values[name, default: []].append(value)
    }
    let required = command.positionals.filter { !$0.hasPrefix("[") }.count
    guard positionals.count >= required else {
      throw UsageError(
        "'\(command.name)' needs \(command.positionals[positionals.count])", hint: "see 'parley \(command.name) --help'"
      )
    }
    guard positionals.count <= command.positionals.count else {
      throw UsageError("'\(command.name)' does not take '\(positionals[command.positionals.count])'")
    }
  }

  /// The value of an option, or `nil` if it was not given.
  subscript(name: String) -> String? { values[name]?.first }

  /// Every value of a repeatable option.
  func all(_ name: String) -> [String] { values[name] ?? [] }

  /// Whether a switch was given.
  func has(_ name: String) -> Bool { switches.contains(name) }

  /// The value of an option read by `read`.
  ///
  /// - Throws: ``UsageError`` when `read` returns `nil`; `what` says what was expected.
  func parse<T>(_ name: String, _ what: String, _ read: (String) -> T?) throws(UsageError) -> T? {
    guard let text = self[name] else { return nil }
    guard let value = read(text) else { throw UsageError("\(name) takes \(what), not '\(text)'") }
    return value
  }

  private static func nearest(_ name: String, in command: Command) -> String {
    let best = command.options.map(\.name).max { overlap($0, name) < overlap($1, name) }
    guard let best, overlap(best, name) >= 4 else { return "see 'parley \(command.name) --help'" }
    return "did you mean \(best)?"
  }

  private static func overlap(_ left: String, _ right: String) -> Int {
    zip(left, right).prefix { $0 == $1 }.count
  }
}

/// A command line that cannot be read: exit code 2.
struct UsageError: Error {
  let message: String
  let hint: String?

  init(_ message: String, hint: String? = nil) {
    self.message = message
    self.hint = hint
  }
}

/// Something that went wrong in a way a person can act on.
struct CommandFailure: Error {
  let message: String
  let hint: String?
  let exitCode: Int32

  init(_ message: String, hint: String? = nil, exitCode: Int32 = 1) {
    self.message = message
    self.hint = hint
    self.exitCode = exitCode
  }
}
