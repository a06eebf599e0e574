import Testing

/// The rules hold in this checkout.
@Suite("Tidy")
struct TidyTests {
  private func expectNone(_ rule: (SourceFile) -> [String]) {
    for fault in Repository.files.flatMap(rule) { Issue.record("\(fault)") }
  }

  @Test("the checkout is found")
  func files() throws {
    for folder in ["Sources/ParleyWire/", "Tests/TidyTests/", "Fuzz/Sources/", "Benchmarks/Sources/", "scripts/"] {
      #expect(Repository.files.contains { $0.path.hasPrefix(folder) }, "no file in \(folder)")
    }
    _ = try #require(Repository.manifest)
  }

  @Test("imports follow the arrows of Package.swift")
  func imports() { expectNone(Rules.imports) }

  @Test("Package.swift draws the arrows of the map, and they point down")
  func manifest() throws {
    let drawn = Rules.arrows(in: try #require(Repository.manifest))
    for target in Set(drawn.keys).union(Rules.arrows.keys).sorted() {
      #expect(drawn[target] == Rules.arrows[target], "the arrows of \(target)")
    }
    for (floor, targets) in Rules.floors.enumerated() {
      for target in targets {
        // Only floors 1 and 4 have an order of their own.
        let below = Set(Rules.floors[..<floor].joined()).union(
          [1, 4].contains(floor) ? targets.prefix { $0 != target } : [])
        #expect(Rules.arrows[target]?.isSubset(of: below) == true, "\(target) reaches up")
      }
    }
  }

  @Test("unsafe code stays in its homes")
  func unsafety() { expectNone(Rules.unsafety) }

  @Test("no try!, no fatalError, nothing unfinished")
  func traps() { expectNone(Rules.traps) }

  @Test("no file is longer than 800 lines")
  func length() { expectNone(Rules.length) }

  @Test("the repository names nothing outside itself")
  func outsidePaths() { expectNone(Rules.outsidePaths) }
}

/// The rules see what breaks them, and nothing else.
@Suite("Tidy rules")
struct RulesTests {
  private func faults(_ rule: (SourceFile) -> [String], _ path: String, _ text: String) -> Int {
    rule(SourceFile(path: path, text: text)).count
  }

  @Test(
    "an import that goes up or sideways is a fault",
    arguments: [
      ("ParleyWire", "import Foundation", 1),
      ("ParleyWire", "@preconcurrency internal import Glibc", 1),
      ("ParleyMarket", "public import struct ParleyJournal.Entry", 1),
      ("ParleyJournal", "import ParleyStore", 1),
      ("ParleyJournal", "import COpenSSL", 1),
      ("ParleyIO", "import Foundation\ninternal import ParleyNode", 1),
      ("ParleyUnknown", "", 1),
      ("ParleyIO", "internal import Glibc\nimport ParleyWebSocket\n// import ParleyNode", 0),
      ("ParleyStore", "let text = \"import ParleyNode\"\nfunc important() {}", 0),
    ])
  func imports(target: String, text: String, count: Int) {
    #expect(faults(Rules.imports, "Sources/\(target)/File.swift", text) == count)
  }

  @Test(
    "unsafe code outside its homes is a fault",
    arguments: [
      ("ParleyNegotiation/Frame.swift", "let a = unsafe b.span.bytes", 1),
      ("ParleyMarket/File.swift", "nonisolated(unsafe) var a = 1", 1),
      ("parley/File.swift", "func f(_ start: UnsafeRawPointer) {}", 1),
      ("ParleyWire/Varint.swift", "unsafe a()", 1),
      ("ParleyWire/ByteReader.swift", "unsafe a()", 0),
      ("ParleyCrypto/File.swift", "unsafe a()", 0),
      ("ParleyNode/File.swift", "var e: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }", 0),
      ("ParleyNode/File.swift", "// unsafe\nlet text = \"an unsafe one\"\nlet isUnsafe = true", 0),
    ])
  func unsafety(path: String, text: String, count: Int) {
    #expect(faults(Rules.unsafety, "Sources/\(path)", text) == count)
  }

  @Test(
    "a trap or an unfinished place is a fault",
    arguments: [
      ("try! a()", 1), ("  fatalError(\"no\")", 1), ("// TODO: later", 1), ("/// FIXME", 1),
      ("try? a()\n// no fatalError here\nlet todo = \"try!\"", 0),
    ])
  func traps(text: String, count: Int) {
    #expect(faults(Rules.traps, "Sources/ParleyNode/File.swift", text) == count)
    #expect(faults(Rules.traps, "Tests/ParleyNodeTests/File.swift", text) == 0)
  }

  @Test("800 lines are no fault, 801 are", arguments: [(800, 0), (801, 1)])
  func length(lines: Int, count: Int) {
    let text = String(repeating: "a\n", count: lines)
    #expect(faults(Rules.length, "Fuzz/Sources/A/A.swift", text) == count)
    #expect(faults(Rules.length, "Tests/Interop/python/a.py", text) == count)
    #expect(faults(Rules.length, "docs/a.md", text) == 0)
  }

  @Test(
    "a path outside the repository is a fault",
    arguments: [
      ("docs/a.md", "see /work/here/it", 1),
      ("Sources/ParleyNode/A.swift", "let path = \"/home/me/a\"", 1),
      ("scripts/test", "cp a /tmp/b", 1),
      ("Sources/ParleyNode/A.swift", "/// NEGOTIATION.md section 4", 1),
      ("Tests/ATests/A.swift", "\"../shared/vectors/a.json\"", 1),
      ("Tests/ATests/A.swift", "  /// The sets of shared/vectors.", 0),
      ("Tests/TestSupport/SharedVectors.swift", "\"../shared/vectors/a.json\"", 0),
      ("docs/a.md", "docs/protocol/negotiation.md, /etc/ssl/certs, https://a.example/home/b, network/work/a", 0),
    ])
  func outsidePaths(path: String, text: String, count: Int) {
    #expect(faults(Rules.outsidePaths, path, text) == count)
  }

  @Test("the arrows of a manifest are read")
  func arrows() {
    let text = """
      .systemLibrary(name: "CA", providers: [.apt(["a"])]),
      // room("Not", ["A"]),
      room("A"), room("B", ["A", "CA"]),
      room(
        "C",
        [
          "A", "B",
        ]),
      .executableTarget(
        name: "d", dependencies: ["C"], swiftSettings: library),
      .executableTarget(name: "d-e", dependencies: ["A"]),
      """
    #expect(
      Rules.arrows(in: SourceFile(path: "Package.swift", text: text))
        == ["CA": [], "A": [], "B": ["A", "CA"], "C": ["A", "B"], "d": ["C"], "d-e": ["A"]])
  }
}
