import ParleyIdentity
import ParleyWire

/// Reading the log of a did:webvh and the file of its witnesses never traps.
///
/// The input is a log and, behind a line of `---`, the file. The log is verified for the DID that its first entry names.
/// What holds has versions that can be asked for, in order, and one fault at most, right behind them.
@c(LLVMFuzzerTestOneInput)
public func fuzzDIDWebVH(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
  let input = [UInt8](UnsafeRawBufferPointer(start: start, count: count))
  let parts = input.split(separator: Array("\n---\n".utf8), maxSplits: 1, omittingEmptySubsequences: false)
  let log = Array(parts.first ?? [])
  let file = parts.count == 2 ? Array(parts[1]) : nil
  guard let line = log.split(separator: UInt8(ascii: "\n"), maxSplits: 1).first,
    let entry = try? JSONValue.parse(Array(line)), let text = entry["state"]?["id"]?.stringValue,
    let did = try? DID(parsing: text)
  else { return 0 }
  let now = UnixNanoseconds(1_795_284_000_000_000_000)
  guard let read = try? DIDWebVHLog(parsing: log, for: did, now: now) else { return 0 }
  check(read.versions, read.fault?.version)
  guard let history = try? DIDWebVHHistory(read, witnessFile: file) else { return 0 }
  check(history.versions, history.fault?.version)
  precondition(history.versions.count <= read.versions.count)
  for version in history.versions {
    precondition((try? history.version(.id(version.id))) == version)
    precondition((try? history.version(.number(version.number))) == version)
    guard let document = try? version.document(for: did) else { continue }
    precondition((try? LocalResolver.resolve(did, documentBytes: document.bytes))?.document ?? document == document)
  }
  let latest = try? history.version(.latest)
  precondition(latest == nil || (history.fault == nil && latest == history.versions.last))
  return 0
}

private func check(_ versions: [DIDWebVHLog.Version], _ fault: Int?) {
  precondition(!versions.isEmpty && fault ?? versions.count + 1 == versions.count + 1)
  for (index, version) in versions.enumerated() {
    precondition(version.number == index + 1)
    precondition(index == 0 || versions[index - 1].time < version.time)
  }
}
