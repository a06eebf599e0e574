extension MerkleTree {
  /// The root over the first `size` leaves.
  ///
  /// - Parameters:
  ///   - size: At most the leaves of the stored tree.
  ///   - node: Gives the hash of a complete subtree.
  /// - Returns: The root; that of the empty tree for 0.
  /// - Throws: What `node` throws.
  public static func root<E>(size: UInt64, node: (Node) throws(E) -> Digest) throws(E) -> Digest {
    try hash(begin: 0, end: size, node: node)
  }

  /// Proves that a leaf is in a tree (RFC 9162 section 2.1.3.1).
  ///
  /// - Parameters:
  ///   - index: The leaf's, from 0.
  ///   - size: Leaves in the tree that the proof is about; it may be older than the stored one.
  ///   - node: Gives the hash of a complete subtree, O(log n) of them.
  /// - Throws: What `node` throws.
  /// - Returns: The hashes from the leaf's sibling up to the child of the root.
  /// - Precondition: `index < size`.
  public static func inclusionProof<E>(
    index: UInt64, size: UInt64, node: (Node) throws(E) -> Digest
  ) throws(E) -> [Digest] {
    precondition(index < size)
    var begin: UInt64 = 0
    var end = size
    var fromTheTop = [Digest]()
    while end - begin > 1 {
      let middle = begin + largestPowerOfTwo(below: end - begin)
      if index < middle {
        fromTheTop.append(try hash(begin: middle, end: end, node: node))
        end = middle
      } else {
        fromTheTop.append(try hash(begin: begin, end: middle, node: node))
        begin = middle
      }
    }
    return fromTheTop.reversed()
  }

  /// Proves that a tree is the beginning of a larger one (RFC 9162 section 2.1.4.1).
  ///
  /// - Parameters:
  ///   - oldSize: Leaves in the smaller tree.
  ///   - newSize: Leaves in the larger one.
  ///   - node: Gives the hash of a complete subtree, O(log n) of them.
  /// - Returns: The hashes, in the order of RFC 9162; none if `oldSize` is 0 or `newSize`.
  /// - Throws: What `node` throws.
  /// - Precondition: `oldSize <= newSize`.
  public static func consistencyProof<E>(
    from oldSize: UInt64, to newSize: UInt64, node: (Node) throws(E) -> Digest
  ) throws(E) -> [Digest] {
    precondition(oldSize <= newSize)
    guard oldSize > 0, oldSize < newSize else { return [] }
    var begin: UInt64 = 0
    var end = newSize
    var fromTheTop = [Digest]()
    // Descends to the subtree that ends where the smaller tree ends. While the border of the smaller tree is
    // still the left edge of everything, that subtree's hash is the old root, which the verifier has.
    while end != oldSize {
      let middle = begin + largestPowerOfTwo(below: end - begin)
      if oldSize <= middle {
        fromTheTop.append(try hash(begin: middle, end: end, node: node))
        end = middle
      } else {
        fromTheTop.append(try hash(begin: begin, end: middle, node: node))
        begin = middle
      }
    }
    if begin > 0 { fromTheTop.append(try hash(begin: begin, end: end, node: node)) }
    return fromTheTop.reversed()
  }

  /// Checks an inclusion proof (RFC 9162 section 2.1.3.2).
  ///
  /// Total: any values may come from a stranger.
  public static func isIncluded(
    leaf: Digest, index: UInt64, size: UInt64, proof: [Digest], root: Digest
  ) -> Bool {
    guard index < size else { return false }
    var position = index
    var last = size - 1
    var hash = leaf
    for sibling in proof {
      guard last > 0 else { return false }
      if position & 1 == 1 || position == last {
        hash = nodeHash(sibling, hash)
        while position & 1 == 0, position > 0 {
          position >>= 1
          last >>= 1
        }
      } else {
        hash = nodeHash(hash, sibling)
      }
      position >>= 1
      last >>= 1
    }
    return last == 0 && hash == root
  }

  /// Checks a consistency proof (RFC 9162 section 2.1.4.2).
  ///
  /// Total: any values may come from a stranger. Nothing can be proved about the empty tree, which every tree extends:
  /// with `oldSize` 0 the answer is `false`.
  public static func isConsistent(
    oldSize: UInt64, oldRoot: Digest, newSize: UInt64, newRoot: Digest, proof: [Digest]
  ) -> Bool {
    guard oldSize > 0, oldSize <= newSize else { return false }
    if oldSize == newSize { return proof.isEmpty && oldRoot == newRoot }
    var rest = proof[...]
    let seed: Digest
    if oldSize.nonzeroBitCount == 1 {
      seed = oldRoot
    } else {
      guard let first = rest.popFirst() else { return false }
      seed = first
    }
    var position = (oldSize - 1) >> UInt64((~(oldSize - 1)).trailingZeroBitCount)
    var last = (newSize - 1) >> UInt64((~(oldSize - 1)).trailingZeroBitCount)
    var old = seed
    var new = seed
    for hash in rest {
      guard last > 0 else { return false }
      if position & 1 == 1 || position == last {
        old = nodeHash(hash, old)
        new = nodeHash(hash, new)
        while position & 1 == 0, position > 0 {
          position >>= 1
          last >>= 1
        }
      } else {
        new = nodeHash(new, hash)
      }
      position >>= 1
      last >>= 1
    }
    return last == 0 && old == oldRoot && new == newRoot
  }

  /// The perfect subtrees that cover `begin ..< end`, from the left.
  ///
  /// - Precondition: `begin` is aligned to the largest power of two that fits in the range, as every split of
  ///   RFC 9162 is.
  static func cover(begin: UInt64, end: UInt64) -> [Node] {
    var nodes = [Node]()
    var begin = begin
    while begin < end {
      let level = 63 - (end - begin).leadingZeroBitCount
      nodes.append(Node(level: level, index: begin >> UInt64(level)))
      begin += 1 << UInt64(level)
    }
    return nodes
  }

  private static func hash<E>(
    begin: UInt64, end: UInt64, node: (Node) throws(E) -> Digest
  ) throws(E) -> Digest {
    let nodes = cover(begin: begin, end: end)
    guard let last = nodes.last else { return emptyRoot }
    var hash = try node(last)
    for left in nodes.dropLast().reversed() { hash = nodeHash(try node(left), hash) }
    return hash
  }

  /// The largest power of two strictly below `value`.
  private static func largestPowerOfTwo(below value: UInt64) -> UInt64 {
    precondition(value > 1)
    return 1 << UInt64(63 - (value - 1).leadingZeroBitCount)
  }
}
