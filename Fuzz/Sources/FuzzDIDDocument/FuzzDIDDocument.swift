import ParleyIdentity

/// Reading DID documents never traps, be they fetched or the input document of a did:peer:4, which must resolve to the
/// same identity by both of its forms.
@c(LLVMFuzzerTestOneInput)
public func fuzzDIDDocument(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  if let did = try? DID(parsing: "did:web:a.example"), let document = try? DIDWeb.document(input, for: did) {
    precondition(document.bytes == input && document.hash.count == 32)
    let identity = try? PeerIdentity(document: document)
    precondition(identity.map { (try? LocalResolver.resolve(did, documentBytes: input)) == $0 } ?? true)
  }
  if let long = try? DIDPeer4.create(inputDocument: input) {
    let one = try? DIDPeer4.resolve(long)
    precondition(one != nil && one == (try? DIDPeer4.resolve(long.shortForm, inputDocument: input)))
    if let one { _ = try? PeerIdentity(document: one) }
  }
  return 0
}
