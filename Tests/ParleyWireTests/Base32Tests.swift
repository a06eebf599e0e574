import ParleyWire
import Testing

@Suite("Base 32")
struct Base32Tests {
  @Test(
    "RFC 4648 section 10, in small letters and without padding",
    arguments: [
      ("", ""), ("f", "my"), ("fo", "mzxq"), ("foo", "mzxw6"), ("foob", "mzxw6yq"), ("fooba", "mzxw6ytb"),
      ("foobar", "mzxw6ytboi"),
    ])
  func known(text: String, encoded: String) {
    #expect(Base32.encode(Array(text.utf8)) == encoded)
    #expect(Base32.decode(encoded) == Array(text.utf8))
  }

  @Test("every byte, there and back")
  func roundTrip() {
    for count in 0..<12 {
      let bytes = [UInt8](0...255).suffix(count) + [UInt8](0...255)
      #expect(Base32.decode(Base32.encode(Array(bytes))) == Array(bytes))
    }
  }

  @Test(
    "what no bytes have",
    arguments: ["m", "mzx", "mzxw6y", "mz", "mzxr", "mzxw7", "MY", "my======", "m1", "m0", "m8", "m y", "mý"])
  func refused(text: String) {
    #expect(Base32.decode(text) == nil)
  }

  @Test("a limit")
  func limit() {
    #expect(Base32.decode("mzxw6ytb", limit: 8) != nil)
    #expect(Base32.decode("mzxw6ytb", limit: 7) == nil)
  }
}
