import ParleyCrypto
import ParleyWire
import Testing

@testable import ParleyJournal

@Suite("Merkle tree")
struct MerkleTreeTests {
  /// The definition of RFC 9162 section 2.1.1, as it stands there.
  static func mth(_ leaves: ArraySlice<Digest>) -> Digest {
    if leaves.isEmpty { return MerkleTree.emptyRoot }
    if leaves.count == 1 { return leaves.first! }
    var k = 1
    while k * 2 < leaves.count { k *= 2 }
    let middle = leaves.startIndex + k
    return MerkleTree.nodeHash(mth(leaves[..<middle]), mth(leaves[middle...]))
  }

  static let journal: MemoryJournal = {
    var journal = MemoryJournal()
    for number in 0..<70 { journal.append(draft(number)) }
    return journal
  }()

  static func leaves(_ count: UInt64) -> ArraySlice<Digest> {
    (0..<count).map { journal.nodes[MerkleTree.Node(level: 0, index: $0)]! }[...]
  }

  /// Certificate Transparency's reference tree: published roots.
  @Test("the published roots")
  func publishedRoots() {
    let leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    let roots = [
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
      "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
      "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
      "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
      "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]
    var range = CompactRange()
    #expect(range.root.description == roots[0])
    for (index, leaf) in leaves.enumerated() {
      range.append(MerkleTree.leafHash([UInt8](hex: leaf)!))
      #expect(range.root.description == roots[index + 1])
    }
  }

  @Test("a compact range and stored nodes give the root of the definition")
  func roots() {
    var range = CompactRange()
    for size in 0...UInt64(70) {
      let expected = Self.mth(Self.leaves(size))
      #expect(range.root == expected)
      #expect(Self.journal.root(size) == expected)
      #expect(CompactRange(size: size) { Self.journal.nodes[$0]! } == range)
      if size < 70 { range.append(Self.journal.nodes[MerkleTree.Node(level: 0, index: size)]!) }
    }
  }

  @Test("nodes complete in the order of their positions, without a gap")
  func positions() {
    #expect(Self.journal.positions == Array(0..<MerkleTree.nodeCount(size: 70)))
    #expect(MerkleTree.nodeCount(size: 0) == 0)
    #expect(MerkleTree.Node(level: 0, index: 0).position == 0)
    #expect(MerkleTree.Node(level: 3, index: 0).position == 14)
  }

  @Test("every inclusion proof holds, and no other leaf, index, size or root fits it")
  func inclusion() {
    for size in 1...UInt64(33) {
      let root = Self.journal.root(size)
      for index in 0..<size {
        let leaf = Self.journal.nodes[MerkleTree.Node(level: 0, index: index)]!
        let proof = Self.journal.inclusionProof(index, size: size)
        func holds(
          leaf: Digest = leaf, index: UInt64 = index, size: UInt64 = size, proof: [Digest] = proof, root: Digest = root
        ) -> Bool {
          MerkleTree.isIncluded(leaf: leaf, index: index, size: size, proof: proof, root: root)
        }
        #expect(holds())
        #expect(!holds(leaf: .zero))
        #expect(!holds(root: .zero))
        #expect(!holds(index: size))
        #expect(!holds(proof: proof + [.zero]))
        if size > 1 { #expect(!holds(proof: proof.dropLast())) }
        for other in 0..<size where other != index { #expect(!holds(index: other)) }
        for position in proof.indices {
          var changed = proof
          changed[position] = .zero
          #expect(!holds(proof: changed))
        }
      }
    }
  }

  @Test("every consistency proof holds, and none for another tree")
  func consistency() {
    for newSize in 0...UInt64(33) {
      for oldSize in 0...newSize {
        let (old, new) = (Self.journal.root(oldSize), Self.journal.root(newSize))
        let proof = Self.journal.consistencyProof(oldSize, newSize)
        func holds(_ proof: [Digest], old: Digest = old, new: Digest = new) -> Bool {
          MerkleTree.isConsistent(oldSize: oldSize, oldRoot: old, newSize: newSize, newRoot: new, proof: proof)
        }
        // The empty tree proves nothing.
        #expect(holds(proof) == (oldSize > 0))
        #expect(!holds(proof, old: .zero))
        #expect(!holds(proof, new: .zero))
        #expect(!holds(proof + [.zero]))
        for position in proof.indices {
          var changed = proof
          changed[position] = .zero
          #expect(!holds(changed))
        }
      }
    }
    #expect(!MerkleTree.isConsistent(oldSize: 3, oldRoot: .zero, newSize: 2, newRoot: .zero, proof: []))
  }

  @Test("no size or index from a stranger traps", arguments: [0, 1, 2, 1 << 62, 1 << 63, UInt64.max - 1, .max])
  func extremes(size: UInt64) {
    let proof = [Digest](repeating: .zero, count: 70)
    for other in [0, 1, 2, 3, size &- 1, size / 2, size, .max] {
      for count in [0, 1, 63, 64, 70] {
        let some = Array(proof.prefix(count))
        #expect(!MerkleTree.isIncluded(leaf: .zero, index: other, size: size, proof: some, root: MerkleTree.emptyRoot))
        #expect(
          !MerkleTree.isConsistent(
            oldSize: other, oldRoot: .zero, newSize: size, newRoot: MerkleTree.emptyRoot, proof: some))
      }
    }
  }
}
