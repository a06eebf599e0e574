public import Foundation

extension Process {
  /// Waits until the program has ended, and leaves no trace of it in the process table.
  ///
  /// Foundation sometimes leaves the trace. The exit tests of Swift Testing then see the same ended child again and
  /// again, and never their own: they hang.
  public func waitAndReap() {
    waitUntilExit()
    var status: CInt = 0
    _ = waitpid(processIdentifier, &status, 0)
  }
}
