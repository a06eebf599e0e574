import ParleyCrypto
import ParleyIdentity
import ParleyWire

@testable import ParleyJournal

/// Identities of these tests, made from one byte each.
enum Traders {
  static let alice = signer(1)
  static let bob = signer(2)
  /// With an ML-DSA-65 key besides.
  static let carol = signer(3, postQuantum: true)

  static func signer(_ byte: UInt8, postQuantum: Bool = false) -> LocalSigner {
    let seed = SecretBytes(copying: [UInt8](repeating: byte, count: 32))
    let ed25519 = Ed25519.SigningKey(seed: seed)
    let mldsa65 = postQuantum ? MLDSA65.SigningKey(seed: seed) : nil
    let input = try! DIDPeer4.inputDocument(
      ed25519: ed25519.publicKey, mldsa65: mldsa65?.publicKey, endpoint: "ws://127.0.0.1:1/")
    let did = try! DIDPeer4.create(inputDocument: input).shortForm
    let identity = try! LocalResolver.resolve(did, documentBytes: input)
    return try! LocalSigner(identity: identity, ed25519: ed25519, mldsa65: mldsa65)
  }
}

/// A journal in memory: every entry and every node, looked up as a store would.
struct MemoryJournal {
  var head = JournalHead()
  var entries: [Entry] = []
  var nodes: [MerkleTree.Node: Digest] = [:]
  var positions: [UInt64] = []

  mutating func append(_ draft: EntryDraft) {
    var head = head
    let entry = head.append(draft) { node, hash in
      nodes[node] = hash
      positions.append(node.position)
    }
    self.head = head
    entries.append(entry)
  }

  func inclusionProof(_ index: UInt64, size: UInt64) -> [Digest] {
    MerkleTree.inclusionProof(index: index, size: size) { nodes[$0]! }
  }

  func consistencyProof(_ from: UInt64, _ to: UInt64) -> [Digest] {
    MerkleTree.consistencyProof(from: from, to: to) { nodes[$0]! }
  }

  func root(_ size: UInt64) -> Digest {
    MerkleTree.root(size: size) { nodes[$0]! }
  }
}

func draft(_ number: Int, peer: String = "did:example:peer", group: [UInt8] = [7]) -> EntryDraft {
  try! EntryDraft(
    time: UnixNanoseconds(Int64(number) * 1_000), kind: 1, peer: peer, group: group, body: Array("row \(number)".utf8))
}

/// The error that `body` throws, if any.
func error<T>(_ body: () throws(JournalError) -> T) -> JournalError? {
  do throws(JournalError) {
    _ = try body()
    return nil
  } catch {
    return error
  }
}
