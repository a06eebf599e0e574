internal import Glibc

/// Asks a person at a terminal for a passphrase without showing it.
public enum PassphrasePrompt {
  /// Whether there is a person to ask: standard input is a terminal.
  public static var isPossible: Bool { isatty(STDIN_FILENO) == 1 }

  /// Writes `prompt` to standard error and reads one line with the echo off.
  ///
  /// - Returns: the line's bytes without its newline; `nil` at end of input.
  public static func ask(_ prompt: String) -> [UInt8]? {
    Self.write(prompt)
    var shown = termios()
    unsafe tcgetattr(STDIN_FILENO, &shown)
    var hidden = shown
    hidden.c_lflag &= ~tcflag_t(ECHO)
    unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden)
    defer {
      unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown)
      Self.write("\n")
    }
    guard let line = readLine(strippingNewline: true) else { return nil }
    return Array(line.utf8)
  }

  private static func write(_ text: String) {
    let bytes = Array(text.utf8)
    _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }
}
