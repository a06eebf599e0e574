import Measure
import ParleyCrypto
import ParleyJournal

/// What the hash tree of the journal costs, against the hashing that no such tree can avoid.
@main
enum BenchJournal {
  static func main() {
    let entry = [UInt8](repeating: 0x5A, count: 512)
    let node = [UInt8](repeating: 0xA5, count: 65)
    // A leaf and, on average, one inner node an entry: RFC 6962 needs no more.
    let limit = measure("SHA-256 of 513 B and of 65 B (the limit)") {
      (SHA256.hash([0x00], entry), SHA256.hash(node))
    }
    var range = CompactRange()
    for _ in 0..<1_000_000 { range.append(MerkleTree.emptyRoot) }
    let append = measure("append an entry of 512 B") { range.append(MerkleTree.leafHash(entry)) }
    let root = measure("root of a million entries and more") { range.root }
    report("Journal", against: limit, [append, root])
  }
}
