import ParleyWire
import Testing

@testable import ParleyWebSocket

@Suite("UTF-8")
struct UTF8ValidatorTests {
  /// Whether `bytes` in these pieces are valid UTF-8.
  static func isValid(_ pieces: [[UInt8]]) -> Bool {
    var validator = UTF8Validator()
    for piece in pieces {
      guard validator.receive(piece) else { return false }
    }
    return validator.isComplete
  }

  @Test("agrees with the standard library on every sequence of up to three interesting bytes, in one piece or several")
  func exhaustive() {
    let edges: [UInt8] = [
      0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF,
      0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF,
    ]
    var bytes: [UInt8] = []
    func visit(_ depth: Int) {
      let expected = String(validating: bytes, as: UTF8.self) != nil
      if Self.isValid([bytes]) != expected { Issue.record("\(bytes.hex)") }
      if Self.isValid(bytes.map { [$0] }) != expected { Issue.record("\(bytes.hex), byte by byte") }
      guard depth < 3 else { return }
      for byte in edges {
        bytes.append(byte)
        visit(depth + 1)
        bytes.removeLast()
      }
    }
    visit(0)
    for lead in [0xF0, 0xF1, 0xF4] as [UInt8] {
      for second in edges {
        for last in edges {
          bytes = [0x61, lead, second, 0x80, last]
          #expect(Self.isValid([bytes]) == (String(validating: bytes, as: UTF8.self) != nil), "\(bytes.hex)")
        }
      }
    }
  }

  @Test("long ASCII runs do not hide a bad byte", arguments: 0..<40)
  func longRuns(position: Int) {
    var bytes = [UInt8](repeating: 0x61, count: 40)
    #expect(Self.isValid([bytes]))
    bytes[position] = 0xFF
    #expect(!Self.isValid([bytes]))
  }
}
