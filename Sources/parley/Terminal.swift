import Foundation

/// What stands between the command and the person who typed it.
enum Terminal {
  /// Prints one line on standard output.
  static func print(_ line: String) {
    FileHandle.standardOutput.write(Data((line + "\n").utf8))
  }

  /// Prints one line on standard error.
  static func complain(_ line: String) {
    FileHandle.standardError.write(Data((line + "\n").utf8))
  }

  /// Shows what is being waited for, over the same line, and only where a person is looking.
  static func progress(_ text: String) {
    guard isatty(STDERR_FILENO) == 1 else { return }
    FileHandle.standardError.write(Data("\r\u{1B}[2K\(text)".utf8))
  }

  /// Wipes the progress line.
  static func endProgress() { progress("") }
}
