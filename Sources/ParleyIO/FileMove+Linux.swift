internal import Glibc

/// Moving files in one step.
public enum FileMove {
  /// Gives a file another name, in the place of whatever has that name now: `rename(2)`.
  ///
  /// - Throws: `system`; both files are then as they were.
  public static func replace(_ path: String, with file: String) throws(IOError) {
    guard unsafe rename(file, path) == 0 else { throw .last("rename") }
  }
}
