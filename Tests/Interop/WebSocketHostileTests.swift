import Foundation
import Parley
import TestSupport
import Testing

/// Clients that mean harm, by the thousand, against the echo server with the library's default limits: its memory stays
/// within what those limits come to, the attackers end as the limits say, and who means well is served all the time.
@Suite(
  "Hostile WebSocket clients", .serialized,
  .enabled(
    if: FileManager.default.isExecutableFile(atPath: Programs.python.path()), "no .deps/venv: run scripts/bootstrap"))
struct WebSocketHostileTests {
  /// What `--limits default` holds.
  static let limits = WebSocketLimits()

  /// Bytes of memory, each with where it comes from.
  enum Cost {
    /// What a loop keeps, however many connections it has: what it receives into (512 KiB), what it lends for output (1
    /// MiB), and what the allocator keeps.
    static let loop = (512 << 10) + (1 << 20) + (2 << 20)
    /// Memory of large messages that is kept for the next ones.
    static let kept = 16 << 20
    /// A connection at rest is to cost 450 bytes; the tables of the loop and of the server that it is in may grow by
    /// half.
    static let connection = 1024
    /// The first pages of what is allocated for a large message: the others are not touched before bytes come.
    static let pages = 2 * 4096
    /// zlib's window for what it inflates, and its tables.
    static let inflater = (32 << 10) + (12 << 10)
    /// A message inflates this far before anybody asks how much of it there was, and so far again between two looks.
    static let freeInflation = (64 << 10) + (16 << 10)
    /// An array that grows has room for twice what is in it.
    static let growth = 2
    /// What one read brings is answered before the limits are looked at.
    static let read = 512 << 10
    static let message = 64 << 10
  }

  struct Attack: CustomTestStringConvertible, Sendable {
    /// As `websocket_hostile.py` calls it.
    let name: String
    /// Further words for the server.
    var words: [String] = []
    var count: Int
    var seconds = 10
    /// Memory of the server's process beyond what it has without a connection.
    let bound: Int
    /// Sockets that the attackers may hold of the server.
    let socketCount: Int
    /// How a hostile connection may end: by a close code, or otherwise.
    let outcomes: Set<String>
    /// How many of them must have been there at a time.
    var together: Int

    var testDescription: String { name }
  }

  /// Connections that the system allows a process, less some for other uses.
  static let room: Int = {
    var limit = rlimit()
    let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    getrlimit(files, &limit)
    limit.rlim_cur = limit.rlim_max
    setrlimit(files, &limit)
    return Int(min(limit.rlim_cur, 1 << 20)) - 300
  }()

  static let attacks: [Attack] = {
    let pending = limits.maximumPendingHandshakeCount
    // A head that is being read, and its request.
    let head = Cost.connection + Cost.growth * limits.maximumHeadByteCount
    let crowd = min(room, 4000)
    // What is begun of a compressed message, and the stream that inflates it.
    let inflating = Cost.connection + Cost.inflater + Cost.growth * Cost.freeInflation
    // What waits to be sent, what came with the read that was too much, and the message that is coming in.
    let backlog = limits.maximumBufferedByteCount + Cost.read + Cost.message
    let fragments = Cost.connection + Cost.growth * limits.maximumFragmentCount + Cost.pages
    return [
      Attack(
        name: "slow-heads", count: crowd, bound: Cost.loop + pending * head, socketCount: pending,
        outcomes: ["reset"], together: min(crowd, pending) / 2),
      Attack(
        name: "never-upgrade", count: 20_000, bound: Cost.loop + pending * head, socketCount: pending,
        outcomes: ["reset"], together: 0),
      Attack(
        name: "slow-frames", words: ["--idle-timeout", "8"], count: crowd, seconds: 40,
        bound: Cost.loop + crowd * (Cost.connection + Cost.pages), socketCount: crowd, outcomes: ["1000"],
        together: crowd / 2),
      Attack(
        name: "bombs", words: ["--deflate"], count: 500, bound: Cost.loop + 500 * inflating, socketCount: 500,
        outcomes: ["1009"], together: 500),
      Attack(
        name: "tiny-fragments", count: 200, bound: Cost.loop + 200 * fragments, socketCount: 200, outcomes: ["1008"],
        together: 200),
      Attack(
        name: "empty-fragments", count: 200, bound: Cost.loop + 200 * fragments, socketCount: 200, outcomes: ["1008"],
        together: 200),
      Attack(
        name: "pings", count: 200, bound: Cost.loop + 200 * (Cost.connection + Cost.pages), socketCount: 200,
        outcomes: ["1008"], together: 200),
      Attack(
        name: "deaf", count: 100, bound: Cost.loop + Cost.kept + 100 * Cost.growth * backlog, socketCount: 100,
        outcomes: ["1008", "reset"], together: 100),
      // One hundred and twenty messages of 64 KiB for each: seven times the limit.
      Attack(
        name: "deaf-subscribers", words: ["--broadcast"], count: 100, seconds: 120,
        bound: Cost.loop + Cost.kept + 100 * Cost.growth * (limits.maximumBufferedByteCount + Cost.message),
        socketCount: 101, outcomes: ["1008", "reset"], together: 100),
    ]
  }()

  @Test("an attack", arguments: attacks)
  func attack(_ attack: Attack) async throws {
    try await InteropTests.withFolder { folder in
      try #require(Self.room > 700, "the system allows too few open files")
      let echo = try await EchoServer(["--limits", "default"] + attack.words, in: folder)
      let before = try ServerState(of: echo.child)
      let script = URL(filePath: Programs.pythonPeer).appending(path: "websocket_hostile.py").path()
      let hostile = try Child(
        Programs.python,
        ["-I", "-B", script, attack.name, echo.address, "--count=\(attack.count)", "--seconds=\(attack.seconds)"],
        in: folder, name: "hostile")
      let most = try await Self.watch(echo.child) {
        hostile.lines.contains { $0["event"]?.stringValue == "outcome" } || hostile.log.contains("Traceback")
      }
      let outcome = try await hostile.line(within: 1) { $0["event"]?.stringValue == "outcome" }
      let log = "\(outcome.serialized()); before: \(before), at most: \(most), allowed: \(attack.bound) bytes more"

      if !ServerState.isSanitized { #expect(most.byteCount - before.byteCount <= attack.bound, "\(log)") }
      // Two more are those who mean well, and one may be seen between its coming and its being dropped.
      #expect(most.socketCount - before.socketCount <= attack.socketCount + 3, "\(log)")
      let outcomes = outcome["outcomes"]?.objectValue?.members ?? []
      #expect(Set(outcomes.map(\.key)).isSubset(of: attack.outcomes) && !outcomes.isEmpty, "\(log)")
      #expect(outcomes.compactMap { $0.value.int64Value }.reduce(0, +) == Int64(attack.count), "\(log)")
      #expect(outcome["most"]?.int64Value ?? 0 >= Int64(attack.together), "\(log)")
      #expect(outcome["politeError"] == .null, "\(log)")
      #expect(outcome["politeCount"]?.int64Value ?? 0 > 0, "\(log)")
      #expect(await hostile.end() == 0)
      #expect(await echo.stop() == 0)
    }
  }

  /// Looks at a process again and again, and gives the most that was seen.
  private static func watch(_ child: Child, until isOver: () -> Bool) async throws -> ServerState {
    let deadline = ContinuousClock.now + .seconds(300)
    var most = try ServerState(of: child)
    while !isOver(), ContinuousClock.now < deadline {
      let now = try ServerState(of: child)
      most.byteCount = max(most.byteCount, now.byteCount)
      most.socketCount = max(most.socketCount, now.socketCount)
      try await Task.sleep(for: .milliseconds(25))
    }
    return most
  }
}

/// What a process has of the system at one moment.
private struct ServerState {
  /// Its private memory that it has written to.
  var byteCount = 0
  var socketCount = 0

  init(of child: Child) throws {
    let folder = "/proc/\(child.identifier)"
    for line in try String(contentsOfFile: folder + "/smaps_rollup", encoding: .utf8).split(separator: "\n")
    where line.hasPrefix("Private_Dirty:") {
      byteCount = 1024 * (line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0)
    }
    socketCount = try FileManager.default.contentsOfDirectory(atPath: folder + "/fd").count
    guard byteCount > 0 else { throw Failure("no figure in \(folder)/smaps_rollup") }
  }

  /// The sanitizers' own memory is many times the program's.
  static let isSanitized = dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil
}
