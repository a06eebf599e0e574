public import Foundation

import ParleyWire

/// The large public test sets, which live outside the repository: the folder `shared/vectors` beside the
/// checkout, or wherever `PARLEY_VECTORS` points. The project's own tests never need them; a suite that runs
/// them is marked `.enabled(if: SharedVectors.arePresent, SharedVectors.absence)`, so that their absence shows.
public enum SharedVectors {
  /// What a skipped suite says.
  public static let absence = "the public vector folder is not beside this checkout (set PARLEY_VECTORS)"

  /// The repository's root.
  public static let root = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  static let folder: URL = {
    if let path = ProcessInfo.processInfo.environment["PARLEY_VECTORS"] { return URL(filePath: path) }
    return root.deletingLastPathComponent().appending(path: "shared/vectors")
  }()

  /// Whether the folder is here.
  public static let arePresent = FileManager.default.fileExists(atPath: folder.path())

  /// The bytes of one file, named from the folder's root.
  public static func data(_ path: String) throws -> Data {
    try Data(contentsOf: folder.appending(path: path))
  }

  /// The path of one file, named from the folder's root.
  public static func path(_ path: String) -> String { folder.appending(path: path).path() }

  /// One file decoded from JSON.
  public static func json<T: Decodable>(_ path: String, as type: T.Type = T.self) throws -> T {
    try JSONDecoder().decode(type, from: data(path))
  }
}
