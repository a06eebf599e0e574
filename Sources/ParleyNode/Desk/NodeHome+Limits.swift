internal import Foundation
internal import ParleyDesk
public import ParleyWire

extension NodeHome {
  // What the node allows itself to sign: docs/desk.md section 2.
  var limitsFile: URL { folder.appending(path: "limits.json") }
  /// The file of the limits.
  public var limitsPath: String { limitsFile.path() }

  /// Reads the limits; a home without the file has none.
  ///
  /// - Throws: ``NodeError/file(_:_:)`` for one that does not read: a node never starts with fewer limits than its owner
  ///   wrote down.
  func readLimits() throws(NodeError) -> (DeskLimits, [UInt8]) {
    let path = limitsFile.path()
    guard FileManager.default.fileExists(atPath: path) else { return (DeskLimits(), []) }
    guard let file = FileManager.default.contents(atPath: path) else { throw .file(path, "cannot be read") }
    do {
      return (try DeskLimits(parsing: [UInt8](file)), [UInt8](file))
    } catch {
      throw .file(path, "does not read: \(error)")
    }
  }

  /// Changes one entry of the limits, in one step, if the whole then reads.
  ///
  /// - Parameters:
  ///   - name: Where: `exposure.BTC.delta.all`.
  ///   - value: What, as JSON; `nil` to take it out, and what is empty then.
  /// - Throws: ``NodeError/file(_:_:)``; the file is then as it was.
  public func setLimit(_ name: String, _ value: JSONValue?) throws(NodeError) {
    let file = try readLimits().1
    let root = file.isEmpty ? ["version": 1] : (try? JSONValue.parse(file)) ?? ["version": 1]
    let keys = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard (1...8).contains(keys.count), !keys.contains("") else { throw .terms("'\(name)' is no name of a limit") }
    let changed = Self.setting(keys[...], to: value, in: root) ?? ["version": 1]
    let text = Array((changed.serialized(pretty: true) + "\n").utf8)
    do {
      _ = try DeskLimits(parsing: text)
    } catch {
      throw .terms("nothing was changed: \(error)")
    }
    try write(text, to: limitsFile, isSecret: false)
  }

  private static func setting(_ keys: ArraySlice<String>, to value: JSONValue?, in old: JSONValue?) -> JSONValue? {
    guard let key = keys.first else { return value }
    var object = old?.objectValue ?? JSONObject()
    object[key] = setting(keys.dropFirst(), to: value, in: object[key])
    return object.count == 0 ? nil : .object(object)
  }
}
