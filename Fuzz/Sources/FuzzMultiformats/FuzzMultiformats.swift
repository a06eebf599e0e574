import ParleyWire

/// Decoding never traps, and each text or number has one form: what decodes encodes to what it came from.
@c(LLVMFuzzerTestOneInput)
public func fuzzMultiformats(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  if let (value, byteCount) = try? Varint.decode(input) {
    precondition(Varint.encode(value) == Array(input.prefix(byteCount)))
  }
  precondition(Base58BTC.decode(Base58BTC.encode(Array(input.prefix(1024)))) == Array(input.prefix(1024)))
  guard let text = String(validating: input, as: UTF8.self) else { return 0 }
  if let bytes = Base64.decode(text) { precondition(Base64.encode(bytes) == text) }
  if let bytes = Base64URL.decode(text) { precondition(Base64URL.encode(bytes) == text) }
  if let bytes = Base58BTC.decode(text) { precondition(Base58BTC.encode(bytes) == text) }
  if let bytes = try? Multibase.decode(text) {
    let base: Multibase.Base = input.first == UInt8(ascii: "z") ? .base58BTC : .base64URL
    precondition(Multibase.encode(bytes, as: base) == text)
  }
  return 0
}
