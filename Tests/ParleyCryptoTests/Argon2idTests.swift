import ParleyWire
import Testing

@testable import ParleyCrypto

@Suite("Argon2id")
struct Argon2idTests {
  /// Known answers of the reference implementation's own test (version 0x13, 2 passes, 256 KiB).
  @Test(
    "the reference implementation's answers",
    arguments: [
      (1, "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"),
      (2, "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"),
    ])
  func knownAnswer(lanes: Int, expected: String) throws {
    let key = try Argon2id.derive(
      passphrase: SecretBytes(copying: Array("password".utf8)), salt: Array("somesalt".utf8), memoryKiB: 256,
      iterations: 2, lanes: lanes, count: 32)
    #expect(key.copied.hex == expected)
  }

  @Test("each input counts")
  func inputs() throws {
    func derive(_ passphrase: String, _ salt: String, _ memory: Int, _ passes: Int) throws -> [UInt8] {
      try Argon2id.derive(
        passphrase: SecretBytes(copying: Array(passphrase.utf8)), salt: Array(salt.utf8), memoryKiB: memory,
        iterations: passes, lanes: 1, count: 32
      ).copied
    }
    let keys = try [
      derive("a", "saltsalt", 64, 1), derive("b", "saltsalt", 64, 1), derive("a", "saltsalu", 64, 1),
      derive("a", "saltsalt", 72, 1), derive("a", "saltsalt", 64, 2), derive("", "saltsalt", 64, 1),
    ]
    #expect(Set(keys).count == keys.count)
  }

  @Test(
    "parameters out of range are refused, not computed",
    arguments: [
      (7, 1, 1, 16, 32), (2_097_153, 1, 1, 16, 32), (64, 0, 1, 16, 32), (64, 65, 1, 16, 32), (64, 1, 0, 16, 32),
      (256, 1, 17, 16, 32), (15, 1, 2, 16, 32), (64, 1, 1, 7, 32), (64, 1, 1, 65, 32), (64, 1, 1, 16, 3),
      (64, 1, 1, 16, 65), (-1, 1, 1, 16, 32), (Int.max, 1, 1, 16, 32), (64, Int.max, 1, 16, 32),
    ])
  func limits(memory: Int, passes: Int, lanes: Int, salt: Int, count: Int) {
    #expect(throws: CryptoError.unsupportedParameters) {
      try Argon2id.derive(
        passphrase: SecretBytes(count: 8), salt: [UInt8](repeating: 1, count: salt), memoryKiB: memory,
        iterations: passes, lanes: lanes, count: count)
    }
  }
}
