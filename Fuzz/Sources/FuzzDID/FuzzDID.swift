import ParleyIdentity

/// Reading and resolving DIDs never traps; a DID is the text it was read from, in ASCII, and its short form is stable.
@c(LLVMFuzzerTestOneInput)
public func fuzzDID(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  guard let text = String(validating: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self) else {
    return 0
  }
  if let url = try? DIDURL(parsing: text) { precondition(url.string.utf8.elementsEqual(text.utf8)) }
  guard let did = try? DID(parsing: text) else { return 0 }
  precondition(did.string.utf8.elementsEqual(text.utf8) && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F })
  precondition(!did.shortForm.isLongForm)
  precondition(did.method == .peer2 || did.shortForm.string.utf8.count <= DID.characterLimit)
  precondition((try? DID(parsing: did.shortForm.string)) == did.shortForm)
  if did.method == .web { precondition((try? DIDWeb.url(for: did)) != nil) }
  if let document = try? DIDPeer2.resolve(did) { precondition(document.id == did) }
  if let identity = try? LocalResolver.resolve(did) {
    precondition(identity.did == did.shortForm && identity.did.string.utf8.count <= DID.characterLimit)
    precondition((try? LocalResolver.resolve(identity.did, documentBytes: identity.documentBytes)) == identity)
  }
  return 0
}
