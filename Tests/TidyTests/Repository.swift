import Foundation

/// One text file of the repository.
struct SourceFile: Sendable, CustomStringConvertible {
  /// The path from the repository's root: `Sources/ParleyWire/Varint.swift`.
  let path: String
  /// Its lines as they are.
  let lines: [String]
  /// Its lines without comments and without what stands inside string literals.
  let code: [String]

  init(path: String, text: String) {
    self.path = path
    lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    code = path.hasSuffix(".swift") ? Self.withoutCommentsAndText(lines) : lines
  }

  var description: String { path }

  /// The target that the file belongs to, for a file under `Sources`.
  var target: String? {
    let parts = path.split(separator: "/")
    return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
  }

  /// Blanks out comments and text, line by line. Enough for formatted Swift: block comments begin a line.
  private static func withoutCommentsAndText(_ lines: [String]) -> [String] {
    var isInBlockComment = false
    var isInLongText = false
    return lines.map { line in
      if isInBlockComment {
        isInBlockComment = !line.contains("*/")
        return ""
      }
      let trimmed = line.drop { $0 == " " }
      if !isInLongText, trimmed.hasPrefix("/*") {
        isInBlockComment = !line.contains("*/")
        return ""
      }
      if line.components(separatedBy: "\"\"\"").count == 2 {
        isInLongText.toggle()
        return isInLongText ? String(line.prefix(upTo: line.range(of: "\"\"\"")!.lowerBound)) : ""
      }
      return isInLongText ? "" : codeOnly(line)
    }
  }

  private static func codeOnly(_ line: String) -> String {
    var code = ""
    var isInText = false
    var previous: Character = " "
    for character in line {
      if character == "\"", previous != "\\" { isInText.toggle() }
      if !isInText {
        if character == "/", previous == "/" { return String(code.dropLast()) }
        code.append(character)
      }
      previous = previous == "\\" && character == "\\" ? " " : character
    }
    return code
  }
}

/// The files of the checkout that these tests look at.
enum Repository {
  static let root = URL(filePath: #filePath).resolvingSymlinksInPath()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// Everything that people wrote. Data (vectors, corpora) and what was built or fetched is not in it.
  static let files: [SourceFile] = {
    var files: [SourceFile] = []
    let kinds: Set = ["swift", "c", "h", "py", "md", "sh", "modulemap", "toml", "txt", "json", "pml", ""]
    let skipped: Set = [
      ".git", ".build", ".deps", "openssl", "Vectors", "Corpus", "demo", "LICENSE", "requirements.txt",
    ]
    func visit(_ folder: URL, _ prefix: String) {
      for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.path()))?.sorted() ?? [] {
        guard !skipped.contains(name), !name.hasSuffix("cache"), !name.hasSuffix("cache__") else { continue }
        let url = folder.appending(path: name)
        let path = prefix + name
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: url.path(), isDirectory: &isFolder) else { continue }
        if isFolder.boolValue {
          visit(url, path + "/")
        } else if kinds.contains(name.hasPrefix(".") ? "" : url.pathExtension),
          let text = try? String(contentsOf: url, encoding: .utf8)
        {
          files.append(SourceFile(path: path, text: text))
        }
      }
    }
    visit(root, "")
    return files
  }()

  static let manifest = files.first { $0.path == "Package.swift" }
}
