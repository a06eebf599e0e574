import Testing

/// The tables of `docs/websocket.md` and `docs/attacks.md` that say which test holds what.
enum Requirements {
  struct Row {
    let section, text, holder: String

    /// The tests that the row names, as `Suite.function`.
    var tests: [String] { holder.matches(of: /`([A-Z]\w*Tests\.\w+)`/).map { String($0.1) } }

    /// The benchmarks that the row names: what only measuring can tell.
    var benchmarks: [String] { holder.matches(of: /`(Bench[A-Z]\w*)`/).map { String($0.1) } }

    /// Whether the row gives a test or a benchmark, or says with a reason whose the requirement is, or why there is none yet.
    var isHeld: Bool {
      !tests.isEmpty || !benchmarks.isEmpty
        || ["Caller's: ", "Not ours: ", "Open: "].contains { holder.hasPrefix($0) && holder.count > $0.count + 10 }
    }
  }

  /// The rows of every table with three columns whose last is "held by".
  static func rows(of page: SourceFile) -> [Row] {
    var rows: [Row] = []
    var isInTable = false
    for line in page.lines {
      let cells = line.split(separator: "|").map { $0.trimmingPrefix(/\s+/).description.trimmed }
      guard line.hasPrefix("|"), cells.count == 3 else {
        isInTable = false
        continue
      }
      if cells[2] == "held by" {
        isInTable = true
      } else if isInTable, cells[0] != "---" {
        rows.append(Row(section: cells[0], text: cells[1], holder: cells[2]))
      }
    }
    return rows
  }

  /// Every `Suite.function` that is marked `@Test` in these sources.
  static func tests(in files: [SourceFile]) -> Set<String> {
    var tests: Set<String> = []
    for file in files where file.path.hasPrefix("Tests/") && file.path.hasSuffix(".swift") {
      var suite = ""
      var isMarked = false
      for line in file.lines {
        if let match = line.firstMatch(of: /^(?:final )?(?:struct|class|enum|extension|actor) (\w+)/) {
          suite = String(match.1)
        }
        if line.hasPrefix("  @Test") { isMarked = true }
        if isMarked, let match = line.firstMatch(of: /^  (?:@Test.* )?(?:static )?func (\w+)/) {
          tests.insert("\(suite).\(match.1)")
          isMarked = false
        }
      }
    }
    return tests
  }
}

extension String {
  fileprivate var trimmed: String {
    var text = Substring(self)
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}

@Suite("Requirements")
struct RequirementsTests {
  static let page = Repository.files.first { $0.path == "docs/websocket.md" }

  @Test("each requirement has a test that exists, or a reason")
  func everyRow() throws {
    let rows = Requirements.rows(of: try #require(Self.page))
    let tests = Requirements.tests(in: Repository.files)
    #expect(rows.count >= 110)
    for row in rows {
      #expect(row.isHeld, "section \(row.section), \(row.text): names no test, and no reason")
      for test in row.tests { #expect(tests.contains(test), "section \(row.section): there is no test \(test)") }
    }
  }

  @Test("each of the 78 attacks has a test that exists, or a reason why not")
  func attacks() throws {
    let rows = Requirements.rows(of: try #require(Repository.files.first { $0.path == "docs/attacks.md" }))
    let tests = Requirements.tests(in: Repository.files)
    // This project's own rows have a letter before their number.
    #expect(rows.map(\.section).filter { Int($0) != nil } == (1...78).map(String.init))
    for row in rows {
      #expect(row.isHeld, "row \(row.section), \(row.text): names no test, and no reason")
      for test in row.tests { #expect(tests.contains(test), "row \(row.section): there is no test \(test)") }
      for name in row.benchmarks {
        let path = "Benchmarks/Sources/\(name)/\(name).swift"
        #expect(Repository.files.contains { $0.path == path }, "row \(row.section): there is no \(path)")
      }
    }
  }

  @Test("each limit is on the page")
  func limits() throws {
    let source = try #require(
      Repository.files.first { $0.path == "Sources/ParleyWebSocket/WebSocketLimits.swift" })
    let page = try #require(Self.page)
    let names = source.lines.compactMap { $0.firstMatch(of: /^  public var (\w+)/).map { String($0.1) } }
    #expect(names.count >= 20)
    for name in names { #expect(page.lines.contains { $0.hasPrefix("| `\(name)` |") }, "\(name)") }
  }

  @Test("the tables are read, and what they lack is seen")
  func reading() throws {
    let page = SourceFile(
      path: "docs/a.md",
      text: """
        | a | b |
        | --- | --- |
        | 1 | `ATests.no` |

        | section | requirement | held by |
        | --- | --- | --- |
        | 1 | one | `ATests.one`, `BTests.two`: so |
        | 2.1 | two | Caller's: because of something |
        | 3 | three | Caller's: |
        | 4 | four | somebody, `no`, `ATests` |
        """)
    let rows = Requirements.rows(of: page)
    #expect(rows.map(\.section) == ["1", "2.1", "3", "4"])
    #expect(rows[0].tests == ["ATests.one", "BTests.two"])
    #expect(rows.map(\.isHeld) == [true, true, false, false])
    let source = SourceFile(
      path: "Tests/A/A.swift",
      text: """
        struct ATests {
          @Test("x")
          func one() {}
          func helper() {}
          @Test(
            arguments: [1])
          func two(a: Int) {}
          @Test func three() {}
        }
        extension BTests {
          @Test("y") func four() {}
        }
        """)
    #expect(Requirements.tests(in: [source]) == ["ATests.one", "ATests.two", "ATests.three", "BTests.four"])
  }
}
