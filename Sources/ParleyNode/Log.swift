internal import Foundation
internal import ParleyIO
public import ParleyWire

/// What a node tells its operator: one line an event, on standard error.
///
///     2026-11-21T12:00:00.123456Z info channel-open peer=did:peer:4zQm... ms=2.1
///
/// A line names what happened and the facts about it; secrets and message bodies are never among them.
public struct Log: Sendable {
  /// How much is written.
  public enum Level: String, Sendable, CaseIterable, Comparable {
    /// Every acknowledgement and frame.
    case debug
    /// Channels, negotiations, trades.
    case info
    /// What an operator should look at.
    case warning
    /// What stopped something.
    case error

    /// Whether the left level is the more talkative one.
    public static func < (left: Level, right: Level) -> Bool { left.rank < right.rank }

    private var rank: Int {
      switch self {
      case .debug: 0
      case .info: 1
      case .warning: 2
      case .error: 3
      }
    }
  }

  private let level: Level
  private let write: @Sendable (String) -> Void

  /// Writes lines of `level` and above to standard error, each in one system call.
  public static func standardError(_ level: Level) -> Log {
    Log(level) { line in FileHandle.standardError.write(Data(line.utf8)) }
  }

  /// Creates a log over a sink that gets whole lines, newline included.
  public init(_ level: Level, write: @escaping @Sendable (String) -> Void) {
    self.level = level
    self.write = write
  }

  /// Something every acknowledgement or frame causes.
  public func debug(_ event: String, _ fields: KeyValuePairs<String, String> = [:]) { line(.debug, event, fields) }

  /// Something an operator expects.
  public func info(_ event: String, _ fields: KeyValuePairs<String, String> = [:]) { line(.info, event, fields) }

  /// Something an operator should look at.
  public func warning(_ event: String, _ fields: KeyValuePairs<String, String> = [:]) { line(.warning, event, fields) }

  /// Something that stopped what was being done.
  public func error(_ event: String, _ fields: KeyValuePairs<String, String> = [:]) { line(.error, event, fields) }

  private func line(_ level: Level, _ event: String, _ fields: KeyValuePairs<String, String>) {
    guard level >= self.level else { return }
    var text = "\(UnixNanoseconds.now.iso8601) \(level.rawValue) \(event)"
    for (name, value) in fields { text += " \(name)=\(Self.quoted(value))" }
    write(text + "\n")
  }

  /// A value as it may stand in a line: quoted when it holds a space, with control characters replaced, so that
  /// what a peer sent cannot forge a line.
  private static func quoted(_ value: String) -> String {
    let clean = String(
      String.UnicodeScalarView(value.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? "?" : $0 }))
    guard clean.contains(where: { $0 == " " || $0 == "\"" }) || clean.isEmpty else { return clean }
    return "\"" + clean.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "'") + "\""
  }
}

extension UnixNanoseconds {
  /// The time as ISO 8601 in UTC with microseconds, `2026-11-21T12:00:00.123456Z`.
  public var iso8601: String {
    let remainder = ((rawValue % 1_000_000_000) + 1_000_000_000) % 1_000_000_000
    let seconds = (rawValue - remainder) / 1_000_000_000
    let microseconds = String(remainder / 1_000)
    let text = Date(timeIntervalSince1970: TimeInterval(seconds)).ISO8601Format().dropLast()
    return "\(text).\(String(repeating: "0", count: 6 - microseconds.count))\(microseconds)Z"
  }
}
