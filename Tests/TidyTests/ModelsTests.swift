import Testing

/// The rules that `docs/protocol/models` takes out one at a time: what the script, its page and the models say of them.
enum ModelRules {
  struct Rule: Hashable, CustomStringConvertible {
    let name, model, property: String
    var description: String { "\(name) of \(model), which breaks \(property)" }
  }

  /// The lines of the array `rules` of the script.
  static func inScript(_ file: SourceFile) -> [Rule] {
    guard let start = file.lines.firstIndex(of: "rules=(") else { return [] }
    return file.lines[(start + 1)...].prefix { $0 != ")" }.compactMap { line in
      line.firstMatch(of: /^  "(\w+) +(\w+) +(\w+) +[A-Z]/).map {
        Rule(name: String($0.1), model: String($0.2), property: String($0.3))
      }
    }
  }

  /// The rows of the page's table with five columns; a row that says nothing of what happens is none.
  static func inPage(_ file: SourceFile) -> [Rule] {
    file.lines.compactMap { line in
      line.firstMatch(of: /^\| `([A-Z_]+)` \| (\w+) \| [^|]{10,} \| [^|]{10,} \| `([A-Z_]+)` \|$/).map {
        Rule(name: String($0.1), model: String($0.2), property: String($0.3))
      }
    }
  }

  /// The switches `WITHOUT_RULE` of a model.
  static func switches(in model: SourceFile) -> Set<String> {
    Set(model.lines.flatMap { $0.matches(of: /\bWITHOUT_([A-Z_]+)/).map { String($0.1) } })
  }
}

@Suite("Models")
struct ModelsTests {
  private func file(_ name: String) throws -> SourceFile {
    try #require(Repository.files.first { $0.path == "docs/protocol/models/" + name })
  }

  @Test("the page lists the rules of the script, each with what happens without it")
  func page() throws {
    let rules = ModelRules.inScript(try file("check"))
    #expect(rules.count >= 27)
    #expect(ModelRules.inPage(try file("README.md")) == rules)
  }

  @Test(
    "each switch of a model is in the script, and each rule of the script is a switch",
    arguments: ["session", "commit", "caps", "witness"])
  func switches(model: String) throws {
    let source = try file(model + ".pml")
    let rules = ModelRules.inScript(try file("check")).filter { $0.model == model }
    #expect(ModelRules.switches(in: source) == Set(rules.map(\.name)))
    for rule in rules {
      #expect(source.lines.contains { $0.hasPrefix("  \(rule.property)") }, "\(model).pml declares no \(rule.property)")
    }
  }

  @Test("the lists are read")
  func reading() {
    let script = SourceFile(
      path: "check", text: "written=(\n  \"A b C D\"\n)\nrules=(\n  \"A_B   c   D_E   F=1\"\n)\n  \"G h I J\"")
    #expect(ModelRules.inScript(script) == [ModelRules.Rule(name: "A_B", model: "c", property: "D_E")])
    let page = SourceFile(
      path: "README.md",
      text: """
        | rule | model | sentence | without it | breaks |
        | `A_B` | c | A sentence that says it. | What happens then. | `D_E` |
        | `A_B` | c | A sentence that says it. | | `D_E` |
        """)
    #expect(ModelRules.inPage(page) == ModelRules.inScript(script))
    let model = SourceFile(
      path: "c.pml", text: "#ifdef WITHOUT_A_B\n#if !defined(WITHOUT_C) && !defined(WITHOUT_A_B)\n")
    #expect(ModelRules.switches(in: model) == ["A_B", "C"])
  }
}
