import Foundation
import Parley
import TestSupport
import Testing

/// The case files of the Autobahn suite, as kosoku runs them, against the example server and the example client.
///
/// The families 9, 12 and 13 take minutes, so they run only where `PARLEY_CONFORMANCE` is `all`, as `scripts/check
/// conformance` does.
@Suite("Conformance", .serialized)
struct ConformanceTests {
  static let runsAll = ProcessInfo.processInfo.environment["PARLEY_CONFORMANCE"] == "all"
  static let slow = "families 9, 12 and 13 take minutes: scripts/check conformance runs them"

  /// The cases that the suite only ever informs about: what a peer does after a Close frame that it may or may not
  /// have seen yet, and close codes beyond 4999.
  static let informational: Set = ["7.1.6", "7.13.1", "7.13.2"]

  /// What the suite says of one case.
  struct Verdict: Decodable, Hashable, CustomStringConvertible {
    let behavior: String
    let behaviorClose: String
    var description: String { behavior == behaviorClose ? behavior : "\(behavior), close \(behaviorClose)" }
  }

  /// Reads the suite's verdicts, and records an issue for each case that is not what it must be.
  static func judge(_ reports: URL, count: Int, _ who: String) throws {
    let index = try Data(contentsOf: reports.appending(path: "index.json"))
    let agents = try JSONDecoder().decode([String: [String: Verdict]].self, from: index)
    let cases = try #require(agents.count == 1 ? agents.values.first : nil)
    #expect(cases.count == count, "\(who)")
    for (name, verdict) in cases.sorted(by: { $0.key < $1.key }) {
      let wanted = informational.contains(name) ? "INFORMATIONAL" : "OK"
      if verdict.description != wanted { Issue.record("\(who): case \(name) is \(verdict)") }
    }
    let verdicts = Dictionary(grouping: cases.values) { $0 }.map { "\($0.value.count) \($0.key)" }.sorted()
    print("conformance: \(who): \(verdicts.joined(separator: ", "))")
  }

  /// Has kosoku play cases against a server.
  static func playServer(
    _ address: String, in folder: URL, _ selection: [String], count: Int, _ who: String
  ) async throws {
    let reports = folder.appending(path: "reports")
    let run = try await Child.run(
      Programs.python("kosoku"), ["-m", "fuzzingclient", address, "-p", "4", "-o", reports.path()] + selection,
      in: folder,
      name: "kosoku", within: 1_500)
    // Its exit code counts informational cases as passed.
    #expect(run.code == 0, "\(run.text)\(run.log)")
    try judge(reports, count: count, who)
  }

  static func playClient(
    in folder: URL, _ selection: [String], count: Int, _ who: String, certificates: Certificates? = nil,
    _ words: [String] = []
  ) async throws {
    let reports = folder.appending(path: "reports")
    let kosoku = try Child(
      Programs.python("kosoku"), ["-m", "fuzzingserver", "127.0.0.1:0", "-o", reports.path()] + selection, in: folder,
      name: "kosoku")
    var url = try await kosoku.complaint(beginning: "fuzzingserver listening on ")
    var relay: Child?
    var trust: [String] = []
    if let certificates {
      let words = ["out", String(url.dropFirst(5)), "--cert", certificates.certificate, "--key", certificates.key]
      relay = try Child(Programs.python, [Programs.pythonPeer + "/tls_relay.py"] + words, in: folder, name: "relay")
      let port = try await relay?.line { $0["port"] != nil }["port"]?.int64Value ?? 0
      url = "wss://127.0.0.1:\(port)"
      trust = ["--ca", certificates.authority]
    }
    let run = try await Child.run(
      Programs.client, ["--autobahn", url] + trust + words, in: folder, name: "client", within: 1_500)
    try #require(run.code == 0, "\(run.text)\(run.log)")
    // It ends by itself once it has written its reports.
    await kosoku.end()
    await relay?.stop()
    try judge(reports, count: count, who)
  }

  /// Everything but what takes minutes: 247 cases.
  static let quick = ["-x", "9.*", "-x", "12.*", "-x", "13.*"]
  /// Frames of every size, and every way of closing: 53 cases.
  static let sample = ["-i", "1.*", "-i", "7.*"]

  @Test("the quick families against the server")
  func server() async throws {
    try await InteropTests.withFolder { folder in
      let echo = try await EchoServer(in: folder)
      try await Self.playServer(echo.address, in: folder, Self.quick, count: 247, "server")
      #expect(await echo.stop() == 0)
    }
  }

  @Test("the quick families against the client")
  func client() async throws {
    try await InteropTests.withFolder { folder in
      try await Self.playClient(in: folder, Self.quick, count: 247, "client")
    }
  }

  @Test("a sample over TLS, both ways")
  func secure() async throws {
    try await InteropTests.withFolder { folder in
      let certificates = try await Certificates(in: folder)
      try await Self.secureServer(Self.sample, count: 53, in: folder.appending(path: "server"), certificates)
      try await Self.playClient(
        in: folder.appending(path: "client"), Self.sample, count: 53, "client over TLS", certificates: certificates)
    }
  }

  /// kosoku speaks no TLS: a relay adds it.
  static func secureServer(
    _ selection: [String], count: Int, in folder: URL, _ certificates: Certificates, _ words: [String] = []
  ) async throws {
    let echo = try await EchoServer(certificates.words + words, in: folder)
    let relay = try Child(
      Programs.python, [Programs.pythonPeer + "/tls_relay.py", "in", echo.address, "--ca", certificates.authority],
      in: folder, name: "relay")
    let port = try await relay.line { $0["port"] != nil }["port"]?.int64Value ?? 0
    try await playServer("127.0.0.1:\(port)", in: folder, selection, count: count, "server over TLS")
    await relay.stop()
    #expect(await echo.stop() == 0)
  }

  // MARK: Everything

  /// All 517 cases: those of the families 12 and 13 need compression, which then is offered in the others too.
  static let deflate = ["--deflate"]

  @Test("all cases against the server", .enabled(if: runsAll, Comment(rawValue: slow)))
  func wholeServer() async throws {
    try await InteropTests.withFolder { folder in
      let echo = try await EchoServer(Self.deflate, in: folder)
      try await Self.playServer(echo.address, in: folder, [], count: 517, "server, everything")
      #expect(await echo.stop() == 0)
    }
  }

  @Test("all cases against the client", .enabled(if: runsAll, Comment(rawValue: slow)))
  func wholeClient() async throws {
    try await InteropTests.withFolder { folder in
      try await Self.playClient(in: folder, [], count: 517, "client, everything", Self.deflate)
    }
  }

  @Test("all cases over TLS against the server", .enabled(if: runsAll, Comment(rawValue: slow)))
  func wholeSecureServer() async throws {
    try await InteropTests.withFolder { folder in
      let certificates = try await Certificates(in: folder)
      try await Self.secureServer([], count: 517, in: folder, certificates, Self.deflate)
    }
  }

  @Test("all cases over TLS against the client", .enabled(if: runsAll, Comment(rawValue: slow)))
  func wholeSecureClient() async throws {
    try await InteropTests.withFolder { folder in
      let certificates = try await Certificates(in: folder)
      try await Self.playClient(
        in: folder, [], count: 517, "client over TLS, everything", certificates: certificates, Self.deflate)
    }
  }
}
