import Foundation
import ParleyCrypto
import ParleyWire
import TestSupport
import Testing

@testable import ParleyJournal

@Suite("Public transparency-log vectors", .enabled(if: SharedVectors.arePresent, "\(SharedVectors.absence)"))
struct SharedVectorTests {
  struct Inclusion: Decodable {
    let file: String
    let leafIdx: UInt64
    let treeSize: UInt64
    let root: String?
    let leafHash: String?
    let proof: [String]?
    let wantErr: Bool
  }

  /// A case of two trees, of a subtree in a tree, or of a leaf in a subtree: by its file's folder.
  struct Consistency: Decodable {
    let file: String
    // Numbers are left out where they are 0.
    let size1: UInt64?
    let size2: UInt64?
    let start: UInt64?
    let end: UInt64?
    let size: UInt64?
    let leafIdx: UInt64?
    let root1: String?
    let root2: String?
    let root: String?
    let leafHash: String?
    let proof: [String]?
    let wantErr: Bool

    var folder: Substring { file.prefix { $0 != "/" } }
  }

  struct Reference: Decodable {
    struct InclusionCase: Decodable {
      let index: UInt64
      let size: UInt64
      let proof: [String]
    }
    struct ConsistencyCase: Decodable {
      let from: UInt64
      let to: UInt64
      let proof: [String]
    }
    struct Larger: Decodable {
      let roots: [String: String]
    }
    let leaves_hex: [String]
    let leaf_hashes: [String]
    let roots_by_size: [String]
    let inclusion: [InclusionCase]
    let consistency: [ConsistencyCase]
    let larger_tree: Larger
  }

  /// Some cases have text where a hash should be and their verdict does not depend on it: it is hashed here, because
  /// nothing but 32 bytes can be written down as a `Digest`. An empty hash is none.
  static func digest(_ base64: String?) throws -> Digest? {
    let bytes = try #require(Base64.decode(base64 ?? ""))
    return bytes.isEmpty ? nil : Digest(bytes) ?? MerkleTree.leafHash(bytes)
  }

  static func digests(_ base64: [String]?) throws -> [Digest] {
    try (base64 ?? []).map { try digest($0) ?? MerkleTree.emptyRoot }
  }

  static func isIncluded(
    leaf: String?, index: UInt64, size: UInt64, proof: [String]?, root: String?
  ) throws -> Bool {
    guard let leaf = try digest(leaf), let root = try digest(root) else { return false }
    return MerkleTree.isIncluded(leaf: leaf, index: index, size: size, proof: try digests(proof), root: root)
  }

  static func isConsistent(
    oldSize: UInt64, oldRoot: String?, newSize: UInt64, newRoot: String?, proof: [String]?
  ) throws -> Bool {
    guard let oldRoot = try digest(oldRoot), let newRoot = try digest(newRoot) else { return false }
    return MerkleTree.isConsistent(
      oldSize: oldSize, oldRoot: oldRoot, newSize: newSize, newRoot: newRoot, proof: try digests(proof))
  }

  @Test("inclusion: 98 cases")
  func inclusion() throws {
    let cases = try SharedVectors.json("tlog/merkle_inclusion.json", as: [Inclusion].self)
    #expect(cases.count == 98)
    for vector in cases {
      let holds = try Self.isIncluded(
        leaf: vector.leafHash, index: vector.leafIdx, size: vector.treeSize, proof: vector.proof, root: vector.root)
      #expect(holds == !vector.wantErr, "\(vector.file)")
    }
  }

  @Test("consistency: 98 cases")
  func consistency() throws {
    let cases = try SharedVectors.json("tlog/merkle_consistency.json", as: [Consistency].self)
      .filter { $0.folder == "consistency" }
    #expect(cases.count == 98)
    for vector in cases {
      let holds = try Self.isConsistent(
        oldSize: vector.size1 ?? 0, oldRoot: vector.root1, newSize: vector.size2 ?? 0, newRoot: vector.root2,
        proof: vector.proof)
      #expect(holds == !vector.wantErr, "\(vector.file)")
    }
  }

  /// A subtree that starts at 0 is a smaller tree. Others, of Merkle tree certificates, have no use here.
  @Test("consistency of subtrees that are trees")
  func subtreeConsistency() throws {
    let cases = try SharedVectors.json("tlog/merkle_consistency.json", as: [Consistency].self)
      .filter { $0.folder == "subtreeconsistency" && ($0.start ?? 0) == 0 && ($0.end ?? 0) > 0 }
    #expect(cases.count > 50)
    for vector in cases {
      let holds = try Self.isConsistent(
        oldSize: vector.end ?? 0, oldRoot: vector.root1, newSize: vector.size ?? 0, newRoot: vector.root2,
        proof: vector.proof)
      #expect(holds == !vector.wantErr, "\(vector.file)")
    }
  }

  /// A leaf in a subtree is a leaf in the tree that the subtree is.
  @Test("inclusion in subtrees: 204 cases")
  func subtreeInclusion() throws {
    let cases = try SharedVectors.json("tlog/merkle_consistency.json", as: [Consistency].self)
      .filter { $0.folder == "subtreeinclusion" }
    #expect(cases.count == 204)
    for vector in cases {
      let (start, end, index) = (vector.start ?? 0, vector.end ?? 0, vector.leafIdx ?? 0)
      let holds =
        try start <= index && start < end
        && Self.isIncluded(
          leaf: vector.leafHash, index: index - start, size: end - start, proof: vector.proof, root: vector.root)
      #expect(holds == !vector.wantErr, "\(vector.file)")
    }
  }

  @Test("the reference tree: leaves, roots, and every proof that we make")
  func reference() throws {
    let reference = try SharedVectors.json("tlog/rfc6962_reference_tree.json", as: Reference.self)
    var range = CompactRange()
    var nodes: [MerkleTree.Node: Digest] = [:]
    for (index, leaf) in reference.leaves_hex.enumerated() {
      #expect(range.root.description == reference.roots_by_size[index])
      let hash = MerkleTree.leafHash([UInt8](hex: leaf)!)
      #expect(hash.description == reference.leaf_hashes[index])
      range.append(hash) { node, hash in nodes[node] = hash }
    }
    #expect(range.root.description == reference.roots_by_size.last)
    #expect(!reference.inclusion.isEmpty && !reference.consistency.isEmpty)
    for vector in reference.inclusion {
      let proof = MerkleTree.inclusionProof(index: vector.index, size: vector.size) { nodes[$0]! }
      #expect(proof.map(\.description) == vector.proof, "\(vector.index) in \(vector.size)")
    }
    for vector in reference.consistency {
      let proof = MerkleTree.consistencyProof(from: vector.from, to: vector.to) { nodes[$0]! }
      #expect(proof.map(\.description) == vector.proof, "\(vector.from) to \(vector.to)")
    }
    var larger = CompactRange()
    var seen = 0
    for leaf in UInt32(0)...1_000 {
      if let root = reference.larger_tree.roots["\(leaf)"] {
        #expect(larger.root.description == root, "\(leaf) leaves")
        seen += 1
      }
      var bytes = [UInt8]()
      bytes.appendBigEndian(leaf)
      larger.append(MerkleTree.leafHash(bytes))
    }
    #expect(seen == reference.larger_tree.roots.count)
  }
}

@Suite("Public signed notes", .enabled(if: SharedVectors.arePresent, "\(SharedVectors.absence)"))
struct SharedNoteTests {
  struct Vectors: Decodable {
    struct Malformed: Decodable {
      let why: String
      let note: String?
      let hex: String?
    }
    struct Body: Decodable {
      let name: String
      let body: String
      let valid: Bool
    }
    struct Generated: Decodable {
      struct Signed: Decodable {
        let size: UInt64
        let body: String
        let note: String
      }
      let log_seed_hex: String
      let log_vkey: String
      let checkpoints: [Signed]
    }
    struct Example: Decodable {
      let document: String
      let vkey: String?
      let note: String?
    }
    let verifier_keys: [String]
    let note: String
    let malformed: [Malformed]
    let malformed_hex: [Malformed]
    let checkpoint_bodies: [Body]
    let spec_examples: [Example]
    let generated: Generated
  }

  static func vectors() throws -> Vectors { try SharedVectors.json("tlog/signed_notes.json") }

  /// A verifier key `name+id+base64(01 ‖ key)`; its identifier must be ours.
  static func key(_ text: String) throws -> NoteKey {
    let parts = text.split(separator: "+", maxSplits: 2).map(String.init)
    let blob = try #require(Base64.decode(parts[2]))
    #expect(blob.first == 1)
    let key = try #require(NoteKey(name: parts[0], publicKey: try Ed25519.PublicKey(raw: Array(blob.dropFirst()))))
    #expect(key.id == UInt32(parts[1], radix: 16))
    return key
  }

  @Test("published notes parse, verify and encode to the same bytes")
  func published() throws {
    let vectors = try Self.vectors()
    let note = try SignedNote(parsing: Array(vectors.note.utf8))
    for text in vectors.verifier_keys { try note.verify(by: Self.key(text)) }
    #expect(note.encoded == Array(vectors.note.utf8))
    for example in vectors.spec_examples {
      if let vkey = example.vkey { _ = try Self.key(vkey) }
      guard let text = example.note else { continue }
      #expect(try SignedNote(parsing: Array(text.utf8)).encoded == Array(text.utf8), "\(example.document)")
    }
  }

  @Test("malformed notes are refused")
  func malformed() throws {
    let vectors = try Self.vectors()
    for vector in vectors.malformed + vectors.malformed_hex {
      let bytes = try #require(vector.note.map { Array($0.utf8) } ?? vector.hex.flatMap { [UInt8](hex: $0) })
      #expect(throws: JournalError.self, "\(vector.why)") { try SignedNote(parsing: bytes) }
    }
  }

  /// The published bodies have roots of other lengths than SHA-256's: such a root is refused here, and only it.
  @Test("checkpoint bodies")
  func bodies() throws {
    for vector in try Self.vectors().checkpoint_bodies {
      let found = error { () throws(JournalError) in try Checkpoint(text: vector.body) }
      guard vector.valid else {
        #expect(found != nil, "\(vector.name)")
        continue
      }
      var lines = vector.body.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
      if lines.count > 4 {
        #expect(found == .malformedCheckpoint(.lineCount(4)), "\(vector.name)")
        lines.remove(at: 3)
      } else {
        #expect(found == .malformedCheckpoint(.root), "\(vector.name)")
      }
      lines[2] = Base64.encode(Digest.zero.bytes)
      #expect(try Checkpoint(text: lines.joined(separator: "\n")).origin == lines[0])
    }
  }

  @Test("generated checkpoints: text, root, signature; a witness's line is carried along")
  func generated() throws {
    let vectors = try Self.vectors().generated
    let key = try Self.key(vectors.log_vkey)
    let signing = Ed25519.SigningKey(seed: SecretBytes(copying: [UInt8](hex: vectors.log_seed_hex)!))
    #expect(signing.publicKey == key.publicKey)
    for vector in vectors.checkpoints {
      let note = try SignedNote(parsing: Array(vector.note.utf8))
      try note.verify(by: key)
      #expect(note.text == vector.body)
      #expect(note.signatures.count == 2)
      #expect(note.signatures[0].signature == signing.sign(Array(note.text.utf8)))
      let checkpoint = try Checkpoint(text: note.text)
      #expect(checkpoint.text == vector.body)
      var tree = CompactRange()
      for leaf in 0..<UInt32(vector.size) {
        var bytes = [UInt8]()
        bytes.appendBigEndian(leaf)
        tree.append(MerkleTree.leafHash(bytes))
      }
      #expect(checkpoint.size == vector.size)
      #expect(checkpoint.root == tree.root)
    }
  }
}
