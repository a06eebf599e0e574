/// The rotation statements of a did:web as its owner publishes them beside the document: one a line, the oldest first.
///
///     statement LF statement LF ...
public struct RotationList: Hashable, Sendable {
  /// Bytes of the file.
  public static let byteLimit = 65_536
  /// Statements in it.
  public static let countLimit = 16
  /// The file's name, beside `did.json`.
  public static let fileName = "did-rotations.jsonl"

  /// The statements, as they stand in the file.
  public private(set) var statements: [RotationStatement]

  /// A list of none.
  public init() { statements = [] }

  /// Reads a file; whether its statements are signed, ``chain(from:to:after:)`` says.
  ///
  /// - Throws: ``IdentityError/documentTooLong(_:limit:)``, ``IdentityError/malformedStatement`` for more than
  ///   ``countLimit`` lines or an empty one, and what ``RotationStatement/init(parsing:)`` throws.
  public init(parsing bytes: [UInt8]) throws(IdentityError) {
    guard bytes.count <= Self.byteLimit else { throw .documentTooLong(bytes.count, limit: Self.byteLimit) }
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    guard lines.count <= Self.countLimit, !lines.contains(where: \.isEmpty) else { throw .malformedStatement }
    statements = []
    for line in lines { statements.append(try RotationStatement(parsing: Array(line))) }
  }

  /// Adds the newest statement; when there are too many, or too many bytes of them, the oldest go.
  public mutating func append(_ statement: RotationStatement) {
    statements.append(statement)
    while statements.count > Self.countLimit || encoded.count > Self.byteLimit { statements.removeFirst() }
  }

  /// Its bytes.
  public var encoded: [UInt8] { statements.flatMap { $0.encoded + [UInt8(ascii: "\n")] } }

  /// The statements that lead from pinned keys to those of today, in order.
  ///
  /// Each is signed by the keys that the one before names, and made later. Keys that were replaced do not come back, and
  /// a post-quantum key is not given up for none. Statements by other keys are passed over.
  ///
  /// - Parameters:
  ///   - pinned: The identity as it was let in.
  ///   - new: The same DID as resolved now.
  ///   - last: When the statement was made that led to the pinned keys; `nil` if none did.
  /// - Returns: The statements, at least one; `nil` if they do not lead there.
  public func chain(
    from pinned: PeerIdentity, to new: PeerIdentity, after last: UTCTimestamp? = nil
  ) -> [RotationStatement]? {
    guard pinned.did == new.did else { return nil }
    var (keys, time) = (RotationStatement.Keys(pinned), last)
    var replaced: Set<RotationStatement.Keys> = [keys]
    var chain: [RotationStatement] = []
    for statement in statements where statement.did == pinned.did && statement.from == keys {
      guard time.map({ $0 < statement.time }) ?? true, !replaced.contains(statement.to), statement.isSigned else {
        continue
      }
      (keys, time) = (statement.to, statement.time)
      replaced.insert(keys)
      chain.append(statement)
    }
    return chain.isEmpty || keys != RotationStatement.Keys(new) ? nil : chain
  }
}
