import Foundation

/// The rules about the code that the compiler does not check. Each gives what breaks it, one line a fault.
enum Rules {
  /// What each target may import of the house: the arrows of `Package.swift`. SwiftPM itself lets a target import
  /// what its dependencies depend on.
  static let arrows: [String: Set<String>] = {
    let identity: Set = ["ParleyWire", "ParleyCrypto", "ParleyIdentity"]
    let machines: Set = [
      "ParleyWebSocket", "ParleyHandshake", "ParleyPeer", "ParleyNegotiation", "ParleyMarket", "ParleyOptions",
      "ParleyJournal", "ParleyDesk",
    ]
    let drivers: Set = ["ParleyIO", "ParleyStore"]
    return [
      "COpenSSL": [], "CSodium": [], "CSQLite": [], "CLinux": [], "CMath": [], "CZlib": [],
      "ParleyWire": [],
      "ParleyCrypto": ["ParleyWire", "COpenSSL", "CSodium"],
      "ParleyNoise": ["ParleyWire", "ParleyCrypto"],
      "ParleyIdentity": ["ParleyWire", "ParleyCrypto"],
      "ParleyWebSocket": ["ParleyWire", "ParleyCrypto", "CZlib"],
      "ParleyHandshake": identity.union(["ParleyNoise"]),
      "ParleyPeer": ["ParleyWire", "ParleyCrypto", "ParleyNoise"],
      "ParleyNegotiation": identity,
      "ParleyMarket": ["ParleyWire", "ParleyCrypto"],
      "ParleyOptions": ["CMath"],
      "ParleyJournal": identity,
      "ParleyDesk": identity,
      "ParleyIO": [
        "ParleyWire", "ParleyCrypto", "ParleyNoise", "ParleyWebSocket", "ParleyPeer", "COpenSSL", "CLinux",
      ],
      "ParleyStore": ["ParleyWire", "ParleyCrypto", "ParleyJournal", "CSQLite"],
      "ParleySimulation": identity.union(["ParleyNegotiation"]), "parley-simulation": ["ParleySimulation"],
      "ParleyNode": identity.union(["ParleyNoise"]).union(machines).union(drivers),
      "Parley": identity.union(["ParleyNoise"]).union(machines).union(drivers).union(["ParleyNode"]),
      "parley": ["Parley"],
    ]
  }()

  /// The floor of each target, from the ground.
  static let floors: [[String]] = [
    ["COpenSSL", "CSodium", "CSQLite", "CZlib", "CLinux", "CMath"],
    ["ParleyWire", "ParleyCrypto", "ParleyNoise", "ParleyIdentity"],
    [
      "ParleyWebSocket", "ParleyHandshake", "ParleyPeer", "ParleyNegotiation", "ParleyMarket", "ParleyOptions",
      "ParleyJournal", "ParleyDesk",
    ],
    ["ParleyIO", "ParleyStore", "ParleySimulation"],
    ["ParleyNode", "Parley"],
    ["parley", "parley-simulation"],
  ]

  /// What the floors from the third up may import of the system. Below it there is no clock, file, socket or thread.
  static let system: Set = ["Dispatch", "Foundation", "Glibc", "Synchronization"]

  /// Where memory is accessed unsafely: whole modules, or single files of others.
  static let unsafeHomes = [
    // C is called here.
    "Sources/ParleyCrypto/", "Sources/ParleyIO/", "Sources/ParleyStore/",
    // Reading and copying bytes.
    "Sources/ParleyWire/ByteReader.swift", "Sources/ParleyWire/Bytes.swift",
    "Sources/ParleyWire/RawSpan+Array.swift",
    // zlib's stream is a struct of pointers.
    "Sources/ParleyWebSocket/Deflate+Zlib.swift",
    // Loops over words: every payload byte goes through them.
    "Sources/ParleyWebSocket/FrameHeader.swift", "Sources/ParleyWebSocket/MaskingKey.swift",
    "Sources/ParleyWebSocket/UTF8Validator.swift",
    // Columns of numbers, handed to C.
    "Sources/ParleyOptions/OptionColumns+Greeks.swift",
  ]

  /// The only files that may name the folder of public vectors, which is outside the repository.
  static let namesVectors: Set = [
    "Tests/TestSupport/SharedVectors.swift", "Tests/Interop/python/parley_peer/vectors.py", "CONTRIBUTING.md",
    "README.md",
  ]

  static let longestFile = 800

  /// Imports go down, and only to what `Package.swift` names.
  static func imports(_ file: SourceFile) -> [String] {
    guard let target = file.target, file.path.hasSuffix(".swift") else { return [] }
    guard var allowed = arrows[target], let floor = floors.firstIndex(where: { $0.contains(target) }) else {
      return ["\(file.path): give \(target) a floor and its arrows"]
    }
    if floor >= 3 { allowed.formUnion(system) }
    return each(file) { line in
      guard line.contains("import "), let match = line.firstMatch(of: importDeclaration),
        !allowed.contains(String(match.module))
      else {
        return nil
      }
      return "\(target) may not import \(match.module)"
    }
  }

  nonisolated(unsafe) private static let importDeclaration =
    /^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:\w+\s+)?import\s+(?:(?:struct|class|enum|protocol|typealias|func|let|var)\s+)?(?<module>\w+)/

  /// The keyword `unsafe` and the attributes of that name stay in their homes.
  ///
  /// An actor that names its executor needs the keyword too, and accesses no memory with it.
  static func unsafety(_ file: SourceFile) -> [String] {
    guard file.target != nil, !unsafeHomes.contains(where: file.path.hasPrefix) else { return [] }
    return each(file) { line in
      line.contains("nsafe") && !line.contains(".asUnownedSerialExecutor()")
        && line.contains(/\bunsafe\b|\bUnsafe\w+Pointer\b/)
        ? "unsafe code outside its homes" : nil
    }
  }

  /// A trap on what a peer sent is a remote kill switch, and an unfinished place does not ship.
  static func traps(_ file: SourceFile) -> [String] {
    guard file.target != nil else { return [] }
    let faults = each(file) { line in
      line.contains("try!") || line.contains("fatalError") ? "try! or fatalError" : nil
    }
    let notes = file.lines.enumerated().compactMap { index, line in
      line.contains("TODO") || line.contains("FIXME") ? "\(file.path):\(index + 1): unfinished" : nil
    }
    return faults + notes
  }

  /// A file has one subject.
  static func length(_ file: SourceFile) -> [String] {
    guard ["swift", "c", "h", "py"].contains(where: { file.path.hasSuffix("." + $0) }) else { return [] }
    let count = file.lines.last == "" ? file.lines.count - 1 : file.lines.count
    return count > longestFile ? ["\(file.path): \(count) lines, more than \(longestFile)"] : []
  }

  /// The repository stands alone: it names no path of the machine that it was written on, and no file beside it
  /// except the public vectors, in few places.
  static func outsidePaths(_ file: SourceFile) -> [String] {
    // These tests name what they look for.
    guard !file.path.hasPrefix("Tests/TidyTests/") else { return [] }
    return file.lines.enumerated().compactMap { index, line in
      if machinePaths.contains(where: line.contains),
        line.contains(/(?:^|[^\w.\/-])\/(?:work|root|home|Users|tmp|opt)\//)
      {
        return "\(file.path):\(index + 1): a path of some machine"
      }
      if outsidePages.contains(where: line.contains) {
        return "\(file.path):\(index + 1): a page that is not in the repository (docs/protocol has its own)"
      }
      let isTestComment = file.path.hasPrefix("Tests/") && line.drop { $0 == " " }.hasPrefix("//")
      if line.contains("shared/vectors"), !namesVectors.contains(file.path), !isTestComment {
        return "\(file.path):\(index + 1): the vector folder is named in TestSupport/SharedVectors.swift only"
      }
      return nil
    }
  }

  private static let machinePaths = ["/work/", "/root/", "/home/", "/Users/", "/tmp/", "/opt/"]

  private static let outsidePages = ["HANDSHAKE", "NEGOTIATION", "DESIGN", "STYLE", "FACTS", "PEERS"].map { $0 + ".md" }

  /// The arrows that `Package.swift` draws, read from its text.
  static func arrows(in manifest: SourceFile) -> [String: Set<String>] {
    let text = manifest.lines.map { $0.split(separator: "//", omittingEmptySubsequences: false).first ?? "" }
      .joined(separator: " ")
    var found: [String: Set<String>] = [:]
    let targets =
      /(?:room\(|\.target\(\s*name:|\.systemLibrary\(\s*name:|\.executableTarget\(\s*name:)\s*"([\w-]+)"(?:,\s*(?:dependencies:\s*)?\[([^\]]*)\])?/
    for match in text.matches(of: targets) {
      let names = (match.2 ?? "").matches(of: /"(\w+)"/).map { String($0.1) }
      found[String(match.1)] = Set(names)
    }
    // Of what is outside `Sources` nobody draws a map.
    for outside in ["TestSupport", "websocket-echo", "websocket-client"] { found[outside] = nil }
    return found
  }

  private static func each(_ file: SourceFile, _ fault: (String) -> String?) -> [String] {
    file.code.enumerated().compactMap { index, line in fault(line).map { "\(file.path):\(index + 1): \($0)" } }
  }
}
