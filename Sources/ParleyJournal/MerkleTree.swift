internal import ParleyCrypto

/// The Merkle tree of RFC 6962 and RFC 9162 section 2.1 over SHA-256.
///
///                 root of 7 = H(01 ‖ (2,0) ‖ H(01 ‖ (1,2) ‖ (0,6)))
///             (2,0)
///         ┌─────┴─────┐
///       (1,0)       (1,1)       (1,2)
///      ┌──┴──┐     ┌──┴──┐     ┌──┴──┐
///    (0,0) (0,1) (0,2) (0,3) (0,4) (0,5) (0,6)
///
/// Only perfect subtrees have a ``Node``; they never change once complete, so they can be stored as they come.
/// Everything here takes hashes through a closure and touches O(log n) of them.
public enum MerkleTree {
  /// Proofs longer than this cannot belong to a tree of fewer than 2^64 leaves.
  public static let maximumProofLength = 128

  /// The root of the tree without leaves: SHA-256 of nothing.
  public static let emptyRoot = Digest(trusted: SHA256.hash([]))

  /// The hash of a leaf: `SHA-256(00 ‖ bytes)`.
  public static func leafHash(_ bytes: [UInt8]) -> Digest {
    Digest(trusted: SHA256.hash([0x00], bytes))
  }

  /// The hash of an inner node: `SHA-256(01 ‖ left ‖ right)`.
  public static func nodeHash(_ left: Digest, _ right: Digest) -> Digest {
    Digest(trusted: SHA256.hash([0x01], left.bytes, right.bytes))
  }

  /// The name of a perfect subtree: it covers the leaves `index << level ..< (index + 1) << level`.
  public struct Node: Hashable, Sendable {
    /// Height above the leaves, 0 to 63.
    public let level: Int
    /// Position among the subtrees of this height, from the left, from 0.
    public let index: UInt64

    /// Names a subtree.
    ///
    /// - Precondition: The subtree's leaves have 64-bit indexes.
    public init(level: Int, index: UInt64) {
      precondition(level >= 0 && level < 64 && index <= UInt64.max >> UInt64(level))
      self.level = level
      self.index = index
    }

    /// Where this subtree comes in the order in which subtrees become complete as leaves are appended, from 0.
    ///
    /// This is post-order. A store that writes nodes at their position only ever appends.
    ///
    /// - Precondition: The tree has fewer than 2^62 leaves.
    public var position: UInt64 {
      // Its last leaf is the one whose arrival completes it, after all nodes of the leaves before and after the
      // lower subtrees that the same leaf completes.
      let lastLeaf = ((index + 1) << UInt64(level)) - 1
      return MerkleTree.nodeCount(size: lastLeaf) + UInt64(level)
    }
  }

  /// How many perfect subtrees a tree of `size` leaves has.
  ///
  /// - Precondition: `size` is less than 2^62.
  public static func nodeCount(size: UInt64) -> UInt64 {
    precondition(size < 1 << 62)
    return 2 * size - UInt64(size.nonzeroBitCount)
  }
}

/// The perfect subtrees that cover the first leaves of a tree, largest first: all that appending and the root need.
///
/// At most 64 hashes stand for a tree of any size (RFC 9162 section 2.1.2 gives the same algorithm).
public struct CompactRange: Hashable, Sendable {
  /// Leaves covered.
  public private(set) var size: UInt64
  /// The hashes of the subtrees, one for each bit set in ``size``, from the highest.
  public private(set) var hashes: [Digest]

  /// The tree without leaves.
  public init() {
    size = 0
    hashes = []
  }

  /// Takes up a tree of `size` leaves from its stored nodes.
  ///
  /// - Parameters:
  ///   - size: Leaves in that tree.
  ///   - node: Gives the hash of a perfect subtree of that tree.
  /// - Throws: What `node` throws.
  public init<E>(size: UInt64, node: (MerkleTree.Node) throws(E) -> Digest) throws(E) {
    self.size = size
    hashes = []
    for subtree in MerkleTree.cover(begin: 0, end: size) { hashes.append(try node(subtree)) }
  }

  /// Appends one leaf.
  ///
  /// - Parameters:
  ///   - leaf: Its ``MerkleTree/leafHash(_:)``.
  ///   - visit: Called for each subtree that this leaf completes, in ascending ``MerkleTree/Node/position``: the
  ///     leaf itself first.
  /// - Throws: What `visit` throws; the range is then unchanged.
  /// - Precondition: `size` is less than 2^62.
  public mutating func append<E>(
    _ leaf: Digest, visit: (MerkleTree.Node, Digest) throws(E) -> Void
  ) throws(E) {
    precondition(size < 1 << 62)
    var node = MerkleTree.Node(level: 0, index: size)
    var hash = leaf
    var rest = hashes
    try visit(node, hash)
    while node.index & 1 == 1, let left = rest.popLast() {
      hash = MerkleTree.nodeHash(left, hash)
      node = MerkleTree.Node(level: node.level + 1, index: node.index >> 1)
      try visit(node, hash)
    }
    rest.append(hash)
    hashes = rest
    size += 1
  }

  /// Appends one leaf and forgets which subtrees it completes.
  public mutating func append(_ leaf: Digest) {
    append(leaf) { _, _ in }
  }

  /// The root of the tree so far.
  public var root: Digest {
    guard var root = hashes.last else { return MerkleTree.emptyRoot }
    for left in hashes.dropLast().reversed() { root = MerkleTree.nodeHash(left, root) }
    return root
  }
}
