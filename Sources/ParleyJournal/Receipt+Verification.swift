import ParleyIdentity
import ParleyWire

extension Receipt {
  /// Checks everything that does not need to know what a statement means.
  ///
  /// In this order: both documents are their DIDs' and have the keys named; the issuer signed the checkpoint; each
  /// entry is in the tree it signs, about the counterparty, of one dialogue, in the journal's order and linked where
  /// two are neighbours; each entry holds the statement claimed.
  ///
  /// - Parameter statementInBody: What the body of an entry holds; `nil` if no statement.
  /// - Returns: What was verified.
  /// - Throws: The first ``JournalError``.
  public func verify(statementInBody: ([UInt8]) -> HeldStatement?) throws(JournalError) -> VerifiedReceipt {
    let issuer = try identity(of: issuer)
    let counterparty = try identity(of: counterparty)
    guard issuer.did != counterparty.did else { throw .receiptMismatch(.parties) }
    var witnesses: [PeerIdentity] = []
    for witness in self.witnesses { witnesses.append(try identity(of: witness)) }
    let checkpoint = try Checkpoint(verifying: checkpoint, by: issuer)
    for (index, item) in statements.enumerated() {
      try verify(item, at: index, in: checkpoint)
      guard let held = statementInBody(item.entry.body),
        held == HeldStatement(direction: item.direction, statement: item.statement)
      else { throw .receiptMismatch(.statement(index: index)) }
    }
    return VerifiedReceipt(
      issuer: issuer, counterparty: counterparty, statements: statements, witnesses: witnesses, stamps: stamps,
      checkpoint: checkpoint)
  }

  private func identity(of party: Party) throws(JournalError) -> PeerIdentity {
    let shown = String(decoding: party.did.utf8.prefix(IdentityError.textLimit), as: UTF8.self)
    do throws(IdentityError) {
      let did = try DID(parsing: party.did)
      // One spelling only: the short form is what the statements name.
      guard !did.isLongForm else { throw .malformedDID(shown) }
      return try LocalResolver.resolve(did, documentBytes: party.document, keyFragment: party.keyFragment)
    } catch {
      throw .wrongDocument(did: shown, error)
    }
  }

  private func verify(_ item: Item, at index: Int, in checkpoint: Checkpoint) throws(JournalError) {
    let entry = item.entry
    guard
      MerkleTree.isIncluded(
        leaf: entry.hash, index: entry.sequence, size: checkpoint.size, proof: item.proof, root: checkpoint.root)
    else { throw .receiptMismatch(.proof(index: index)) }
    let first = statements[0].entry
    // What was signed about the pair, such as a MassCancel, is in the group of dialogue 0.
    let isAboutThis = entry.group == first.group || entry.group == [UInt8](repeating: 0, count: 16)
    guard entry.peer.hasSameBytes(as: counterparty.did), isAboutThis else {
      throw .receiptMismatch(.entry(index: index))
    }
    guard index > 0 else { return }
    let before = statements[index - 1].entry
    guard before.sequence < entry.sequence, before.time <= entry.time else {
      throw .receiptMismatch(.order(index: index))
    }
    guard entry.sequence - before.sequence > 1 || entry.previous == before.hash else {
      throw .receiptMismatch(.link(index: index))
    }
  }
}
