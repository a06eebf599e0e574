internal import ParleyCrypto
internal import ParleyHandshake
internal import ParleyIO
internal import ParleyIdentity
internal import ParleyJournal
internal import ParleyStore
internal import ParleyWire

// MARK: - Two stories about one DID

extension Node {
  /// The kind of the journal entries that hold evidence of split views.
  static let evidenceEntryKind: UInt8 = 3
  /// Split views of one DID that are kept; more are only logged.
  static let evidenceLimit = 16

  /// Keeps what contradicts itself about a DID: one entry a document, all of one view in one group.
  func keep(_ view: SplitView) {
    let sightings = view.seen + [view.contradiction]
    log.warning(
      "split-view", ["peer": view.did.string, "hashes": sightings.map(\.hash.hex).joined(separator: ",")])
    let group = Array(SHA256.hash(sightings.flatMap(\.hash)).prefix(16))
    do {
      let query = EntryQuery(peer: view.did.string, kind: Self.evidenceEntryKind)
      let groups = Set(try store.reader.entries(matching: query).map(\.group))
      guard !groups.contains(group), groups.count < Self.evidenceLimit else { return }
      let drafts = try sightings.enumerated().map { index, sighting throws(JournalError) in
        try EntryDraft(
          time: .now, kind: Self.evidenceEntryKind, peer: view.did.string, group: group,
          body: SightingEntry(sighting, index: index, count: sightings.count).encoded)
      }
      _ = try store.append(drafts)
    } catch {
      log.error("split-view-not-kept", ["peer": view.did.string, "why": "\(error)"])
    }
  }

  /// Keeps a document hash that a caller has signed and that is none of the documents seen, if the caller is the DID: who
  /// cannot sign with its keys, as they are shown or were let in, has only said something.
  func keepSplitView(
    _ claim: IdentityClaim, _ resolution: DIDResolution, _ known: KnownPeer?, _ channel: PeerChannel
  ) async {
    guard let view = await documents.splitView(of: claim.did, claimedHash: claim.documentHash) else { return }
    let shown = resolution.document.identity(preferring: known?.pinned, keyFragment: claim.keyFragment)
    guard [shown, known?.pinned].contains(where: { $0.map(channel.isSigned) ?? false }) else {
      return log.info("other-document-claimed", ["peer": claim.did.string, "hash": claim.documentHash.hex])
    }
    keep(view)
  }

  /// The split views of a DID that are kept, the oldest first.
  func splitViews(of did: String) -> [(time: UnixNanoseconds, hashes: [String])] {
    let query = EntryQuery(peer: did, kind: Self.evidenceEntryKind)
    let entries = (try? store.reader.entries(matching: query)) ?? []
    var views: [(group: [UInt8], time: UnixNanoseconds, hashes: [String])] = []
    for entry in entries {
      guard let sighting = SightingEntry(entry.body) else { continue }
      if views.last?.group != entry.group { views.append((entry.group, entry.time, [])) }
      views[views.count - 1].hashes.append(sighting.hash.hex)
    }
    return views.map { ($0.time, $0.hashes) }
  }
}

/// One document of a split view, as the journal keeps it.
///
///     u8 1 ‖ u8 index ‖ u8 count ‖ i64 time ‖ hash[32] ‖ u32 length ‖ what was fetched
///
/// The last of a group is what contradicts the others; its length is 0 where only its hash is known.
struct SightingEntry: Equatable {
  let index: UInt8
  let count: UInt8
  let time: UnixNanoseconds
  let hash: [UInt8]
  let bytes: [UInt8]

  init(_ sighting: SplitView.Sighting, index: Int, count: Int) {
    self.index = UInt8(clamping: index)
    self.count = UInt8(clamping: count)
    time = sighting.time
    hash = sighting.hash
    bytes = sighting.bytes ?? []
  }

  init?(_ body: [UInt8]) {
    var reader = ByteReader(body.rawSpan)
    guard reader.readUInt8() == 1, let index = reader.readUInt8(), let count = reader.readUInt8(),
      let time = reader.readBigEndian(as: UInt64.self), let hash = reader.readBytes(count: 32),
      let length = reader.readBigEndian(as: UInt32.self), let bytes = reader.readBytes(count: Int(length)),
      reader.isAtEnd
    else { return nil }
    self.index = index
    self.count = count
    self.time = UnixNanoseconds(Int64(bitPattern: time))
    self.hash = hash
    self.bytes = bytes
  }

  var encoded: [UInt8] {
    var body: [UInt8] = [1, index, count]
    body.appendBigEndian(UInt64(bitPattern: time.rawValue))
    body += hash
    body.appendBigEndian(UInt32(clamping: bytes.count))
    return body + bytes
  }
}
