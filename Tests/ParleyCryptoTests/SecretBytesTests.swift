import Testing

@testable import ParleyCrypto

@Suite("SecretBytes")
struct SecretBytesTests {
  @Test("the memory is zero once the last reference is gone")
  func erasure() {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 48, alignment: 16)
    defer { memory.deallocate() }
    memory.copyBytes(from: [UInt8](repeating: 0xA5, count: 48))
    var secret: SecretBytes? = SecretBytes(borrowing: memory)
    var other = secret
    secret = nil
    #expect(memory.allSatisfy { $0 == 0xA5 }, "one reference is left")
    #expect(other?.count == 48)
    other = nil
    #expect(memory.allSatisfy { $0 == 0 })
  }

  @Test("taking bytes over empties the array, and overwrites them where they were")
  func taking() {
    var bytes = [UInt8](repeating: 0xA5, count: 64)
    let secret = SecretBytes(taking: &bytes)
    #expect(secret.copied == [UInt8](repeating: 0xA5, count: 64))
    #expect(bytes.isEmpty)
    // The array keeps its memory: 64 bytes more fit where the secret was, and are not written here.
    bytes.withUnsafeMutableBytes { memory in
      let old = UnsafeRawBufferPointer(start: memory.baseAddress, count: 64)
      #expect(old.allSatisfy { $0 == 0 })
    }
  }

  @Test("no description, reflection or interpolation shows a byte")
  func redaction() {
    let secret = SecretBytes(copying: Array("swordfish".utf8))
    var dumped = ""
    dump(secret, to: &dumped)
    for text in [secret.description, secret.debugDescription, "\(secret)", String(reflecting: secret), dumped] {
      #expect(text.contains("SecretBytes(9 bytes)"))
      #expect(!text.contains("swordfish") && !text.contains("115") && !text.contains("73"))
    }
  }

  @Test("joins and cuts")
  func pieces() {
    let joined = SecretBytes(joining: SecretBytes(copying: [1, 2]), SecretBytes(count: 0), SecretBytes(copying: [3]))
    #expect(joined.copied == [1, 2, 3])
    #expect(joined[1..<3].copied == [2, 3])
    #expect(joined[1..<1].copied == [])
    #expect(SecretBytes(count: 3).copied == [0, 0, 0])
    #expect(SecretBytes(copying: ([9, 8] as [UInt8]).span.bytes).copied == [9, 8])
  }

  @Test("cutting beyond the end traps")
  func cutTraps() async {
    await #expect(processExitsWith: .failure) { _ = SecretBytes(count: 3)[1..<4] }
  }

  @Test("random bytes differ and fill the length asked for")
  func random() {
    #expect(SystemRandom.bytes(0) == [])
    #expect(SystemRandom.bytes(32).count == 32)
    #expect(SystemRandom.bytes(32) != SystemRandom.bytes(32))
    #expect(!ConstantTime.equal(SecretBytes.random(count: 32), SecretBytes.random(count: 32)))
  }

  @Test("comparison sees every byte and the length")
  func comparison() {
    let base = [UInt8](0..<32)
    #expect(ConstantTime.equal(base, base))
    #expect(ConstantTime.equal([], []))
    #expect(!ConstantTime.equal(base, Array(base.dropLast())))
    for index in base.indices {
      var other = base
      other[index] ^= 0x80
      #expect(!ConstantTime.equal(base, other))
      #expect(!ConstantTime.equal(SecretBytes(copying: base), SecretBytes(copying: other)))
    }
    #expect(ConstantTime.equal(SecretBytes(copying: base), SecretBytes(copying: base)))
    #expect(!ConstantTime.equal(SecretBytes(copying: base), SecretBytes(count: 31)))
  }

  @Test("zero means every byte, at every length")
  func zero() {
    for count in 0..<40 {
      var bytes = [UInt8](repeating: 0, count: count)
      let isZero = ConstantTime.isZero(bytes.span.bytes)
      #expect(isZero)
      for index in bytes.indices {
        bytes[index] = 0x10
        let isZero = ConstantTime.isZero(bytes.span.bytes)
        #expect(!isZero, "byte \(index) of \(count)")
        bytes[index] = 0
      }
    }
  }
}
