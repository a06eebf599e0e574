import Foundation
import ParleyCrypto
import ParleyWire
import TestSupport
import Testing

@testable import ParleyHandshake

/// The same sessions, valid and attacked, through this implementation and the one in Python: each step of a side must
/// give the same bytes on both, or be refused for the same reason.
///
/// `make test` runs a few hundred cases of one seed, `scripts/check differential` ten thousand of a new one.
/// `PARLEY_DIFFERENTIAL` says how many, `PARLEY_SEED` which: a failure names both.
@Suite("Differential run against Python")
struct DifferentialTests {
  static let environment = ProcessInfo.processInfo.environment
  static let count = environment["PARLEY_DIFFERENTIAL"].flatMap(Int.init) ?? 400
  static let seed = environment["PARLEY_SEED"].flatMap(UInt64.init) ?? 1

  struct Case {
    let number: Int
    let kind: String
    let note: String
    let verdicts: [String]
  }

  @Test("every step gives the same bytes, or the same refusal")
  func sessions() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "parley-diff-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let (questions, answers) = (folder.appending(path: "cases"), folder.appending(path: "verdicts"))
    for file in [questions, answers] { try Data().write(to: file) }
    let cases = try Self.write(to: FileHandle(forWritingTo: questions))
    try Self.python(["differential"], from: questions, to: answers)
    try compare(cases, with: answers)

    let refused = cases.filter { $0.verdicts.last?.hasPrefix("no ") == true }.count
    #expect(refused * 2 > cases.count, "most cases should be attacks that fail: \(refused) of \(cases.count)")
    #expect(cases.count - refused > cases.count / 20, "some should be sessions that go well")
    #expect(Set(cases.map(\.kind)).count == MessageKind.allCases.count + 2)
    print("differential: \(cases.count) cases of seed \(Self.seed), \(refused) of them refused, by both alike")
    for (reason, count) in Self.reasons(cases) { print("differential: \(count) \(reason)") }
  }

  private static func write(to file: FileHandle) throws -> [Case] {
    var cases: [Case] = []
    var memory = Exchange.Memory()
    var lines = Data()
    for number in 0..<count {
      let seed = Self.seed &* 1_000_003 &+ UInt64(number)
      if number % 10 == 9 {
        let direction = DirectionCase(seed: seed)
        lines.append(try direction.line(number))
        cases.append(Case(number: number, kind: "record", note: direction.note, verdicts: direction.verdicts))
      } else {
        var exchange = try Exchange(seed: seed)
        let subject = try exchange.run(&memory)
        lines.append(try subject.line(number))
        cases.append(
          Case(
            number: number, kind: exchange.target?.rawValue ?? "none", note: exchange.note, verdicts: subject.verdicts))
      }
      if lines.count > 1 << 20 {
        try file.write(contentsOf: lines)
        lines.removeAll(keepingCapacity: true)
      }
    }
    try file.write(contentsOf: lines)
    try file.close()
    return cases
  }

  static func python(_ words: [String], from input: URL, to output: URL) throws {
    let process = Process()
    process.executableURL = SharedVectors.root.appending(path: ".deps/venv/bin/python")
    process.arguments = ["-m", "parley_peer"] + words
    process.environment = [
      "PYTHONPATH": SharedVectors.root.appending(path: "Tests/Interop/python").path(), "PYTHONDONTWRITEBYTECODE": "1",
    ]
    process.standardInput = try FileHandle(forReadingFrom: input)
    process.standardOutput = try FileHandle(forWritingTo: output)
    try process.run()
    process.waitAndReap()
    #expect(process.terminationStatus == 0)
  }

  private func compare(_ cases: [Case], with answers: URL) throws {
    let lines = try Data(contentsOf: answers).split(separator: 10)
    try #require(lines.count == cases.count, "Python gave \(lines.count) verdicts for \(cases.count) cases")
    var differences = 0
    for (line, expected) in zip(lines, cases) {
      let object = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]
      let verdicts = object?["verdicts"] as? [String]
      guard verdicts != expected.verdicts || object?["n"] as? Int != expected.number else { continue }
      differences += 1
      guard differences <= 20 else { continue }
      Issue.record(
        """
        case \(expected.number) of seed \(Self.seed), \(expected.kind) (\(expected.note)):
        Swift  \(expected.verdicts)
        Python \(verdicts ?? []) \(object?["why"] as? String ?? "")
        """)
    }
    #expect(differences == 0)
  }

  private static func reasons(_ cases: [Case]) -> [(String, Int)] {
    let ends = cases.map { one in
      one.verdicts.last.map { $0.hasPrefix("ok") ? "accepted" : String($0.dropFirst(3)) } ?? "empty"
    }
    return Dictionary(grouping: ends) { $0 }.map { ($0.key, $0.value.count) }.sorted { $0.1 > $1.1 }
  }
}

/// Records of one direction with plaintexts of any form, under the right key or nearly.
struct DirectionCase {
  private(set) var note = "nothing"
  private(set) var verdicts: [String] = []
  private let sender: Role
  private let epoch: UInt32
  private let secret: [UInt8]
  private let records: [[UInt8]]

  init(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    secret = random.bytes(32)
    sender = random.chance(2) ? .initiator : .responder
    epoch = random.chance(2) ? 0 : UInt32(random.below(1 << 20))
    var direction = RecordDirection(sender: sender, epoch: epoch, secret: SecretBytes(copying: secret))
    var records: [[UInt8]] = []
    let count = random.chance(8) ? 510 + random.below(6) : random.below(4)
    for index in 0...count {
      var inner: [UInt8] = [random.chance(5) ? UInt8(random.below(256)) : 16]
      // Long runs go over the change of keys; theirs are short.
      let body = random.bytes(random.below(count > 9 ? 20 : 300))
      inner.appendBigEndian(UInt32(body.count))
      inner += body
      inner += [UInt8](repeating: 0, count: (RecordLimits.innerByteCount(forBody: body.count) ?? 64) - inner.count)
      var (sequence, written, dir) = (UInt64(index), epoch, sender)
      if index == count {
        switch random.below(9) {
        case 0:
          note = "padding"
          inner[inner.count - 1] = 1
        case 1:
          note = "length"
          inner[1 + random.below(4)] ^= 1 << UInt8(random.below(8))
        case 2:
          note = "bucket"
          inner += [UInt8](repeating: 0, count: inner.count)
        case 3:
          note = "odd bucket"
          inner += [UInt8](repeating: 0, count: 32)
        case 4: (note, sequence) = ("sequence", sequence &+ 1 &+ UInt64(random.below(3)))
        case 5: (note, written) = ("epoch", written ^ 1 << UInt32(random.below(32)))
        case 6: (note, dir) = ("direction", dir.peer)
        case 7: (note, inner) = ("short", Array(inner.prefix(32)))
        default: break
        }
      }
      records.append(Self.forge(secret, dir, epoch, sequence, written, inner))
    }
    self.records = records
    for record in records {
      var buffer = record
      do throws(HandshakeError) {
        let opened = try direction.open(in: &buffer)
        guard RecordType(rawValue: opened.type) != nil else { throw .unexpectedRecordType(opened.type) }
        verdicts.append("ok " + Self.digest([opened.type] + buffer[opened.body]))
      } catch {
        verdicts.append("no " + error.refusal)
        break
      }
    }
  }

  private static func digest(_ bytes: [UInt8]) -> String { Array(SHA256.hash(bytes).prefix(8)).hex }

  private static func forge(
    _ secret: [UInt8], _ dir: Role, _ epoch: UInt32, _ sequence: UInt64, _ written: UInt32, _ inner: [UInt8]
  ) -> [UInt8] {
    var key = TrafficKey(secret: SecretBytes(copying: secret))
    for _ in 0..<sequence / RecordLimits.recordsAKey { key.update() }
    var record: [UInt8] = []
    record.appendBigEndian(written)
    var data: [UInt8] = []
    data.appendBigEndian(written)
    data.append(dir.rawValue)
    data.appendBigEndian(sequence)
    let nonce = key.iv.masked(by: sequence)
    key.cipher.seal(inner.rawSpan, nonce: nonce, additionalData: data.rawSpan, appendingTo: &record)
    return record
  }

  func line(_ number: Int) throws -> Data {
    let object: [String: Any] = [
      "n": number, "role": sender == .initiator ? "I" : "R", "epoch": Int(epoch), "secret": text(secret),
      "records": records.map(text),
    ]
    return try JSONSerialization.data(withJSONObject: object) + [10]
  }
}
