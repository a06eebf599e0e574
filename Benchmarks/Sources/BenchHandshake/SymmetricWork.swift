/// What one side hashes, authenticates and encrypts in a handshake (docs/protocol/secure-channel.md), lengths in bytes.
///
/// Each list ends with the zero that C looks for.
struct SymmetricWork {
  let hashes: [Int]
  let macs: [Int]
  let seals: [Int]

  private static let (hash, tag, key, kemKey, kemCiphertext) = (32, 16, 32, 1184, 1088)
  private static let (did, prologue, document, identity, accept) = (57, 90, 600, 1024, 512)

  init(isInitiator: Bool) {
    let (hash, tag, key) = (Self.hash, Self.tag, Self.key)
    // `MixHash` hashes what came before and the new part: the prologue; e, e1 and the payload of message 1; e, the
    // ciphertext, s and the payload of message 2; s and the payload of message 3.
    let parts = [
      Self.prologue, key, Self.kemKey, 60, key, Self.kemCiphertext + tag, key + tag, Self.identity + tag, key + tag,
      Self.identity + tag,
    ]
    // The name of the protocol; the DID for the prologue, for the authenticator of message 1, and as what stands for a
    // document. The responder is sent a document, whose DID is its hash.
    let others = [41, Self.did, Self.did + 16, Self.did] + (isInitiator ? [] : [Self.document])
    hashes = parts.map { $0 + hash } + others + [0]
    // The authenticator of message 1, which the gate and the handshake both check; three for each of ee, ekem1, es and
    // se; three for Split; the root, its five secrets, and key and initial value of both directions.
    macs = (isInitiator ? [1260] : [1260, 1260]) + Array(repeating: hash, count: 12 + 3 + 1 + 5 + 4) + [0]
    seals = [Self.kemCiphertext, key, Self.identity, key, Self.identity, Self.accept, 0]
  }
}
