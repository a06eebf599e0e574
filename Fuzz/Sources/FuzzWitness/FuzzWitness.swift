import ParleyCrypto
import ParleyIdentity
import ParleyNegotiation
import ParleyWire

private let signer: LocalSigner = {
  let key = Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 3, count: 32)))
  let did = DIDKey.did(for: key.publicKey.raw)
  guard let identity = try? LocalResolver.resolve(did),
    let signer = try? LocalSigner(identity: identity, ed25519: key)
  else { preconditionFailure("a fixed key resolves") }
  return signer
}()

/// A witness that is asked anything never traps, answers with what reads, and folds to what it was.
///
/// The input is cut into questions: two bytes of length, one of time in half seconds, then the message.
@c(LLVMFuzzerTestOneInput)
public func fuzzWitness(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  if let message = try? WitnessMessage(input) { precondition(message.encoded == input) }
  if let row = try? WitnessRow(input) { precondition(row.encoded == input) }
  if let stamp = try? Stamp(input) { precondition(stamp.bytes == input) }
  var slots = WitnessSlots(signer: signer)
  var rows: [[UInt8]] = []
  var now = UnixNanoseconds(1_795_000_000_000_000_000)
  var reader = ByteReader(input.rawSpan)
  while let length = reader.readBigEndian(as: UInt16.self), let step = reader.readUInt8(),
    let message = reader.readBytes(count: Int(length))
  {
    now = now.advanced(byNanoseconds: Int64(step) * 500_000_000)
    guard let outcome = try? slots.receive(message, from: "did:example:fuzz", isServed: true, now: now) else {
      continue
    }
    rows += outcome.rows.map(\.encoded)
    let answer = try? WitnessMessage(outcome.answer.encoded)
    precondition(answer == outcome.answer)
  }
  var copy = WitnessSlots(signer: signer)
  for row in rows {
    guard (try? copy.restore(row, peer: "did:example:fuzz")) != nil else { preconditionFailure("its own rows fold") }
  }
  precondition(copy.count == slots.count)
  return 0
}
