import ParleyWire

extension ChannelStreams {
  /// Whether ``takeOutput()`` has something.
  public var hasOutput: Bool {
    guard !isEnded else { return false }
    if yamux.outputByteCount > 0 { return true }
    for (id, stream) in streams where !stream.queue.isEmpty && yamux.sendWindow(of: id) > 0 { return true }
    return false
  }

  /// What the next record carries: all that answers the peer, and an equal share of each stream that may send.
  ///
  /// - Returns: At most ``ChannelStreamLimits/recordByteCount`` bytes, or more where answers alone are more; nothing where
  ///   nothing waits.
  public mutating func takeOutput() -> [UInt8] {
    guard !isEnded else { return [] }
    share()
    let output = yamux.takeOutput()
    // Nothing here writes more than a stream takes, so none is told to go on.
    while yamux.poll() != nil {}
    return output
  }

  /// Puts what waits into frames: whoever wants less than an equal share leaves the rest to the others.
  private mutating func share() {
    var wanted: [(id: UInt32, byteCount: Int)] = []
    for (id, stream) in streams where !stream.queue.isEmpty {
      let byteCount = min(stream.queue.count, yamux.sendWindow(of: id))
      if byteCount > 0 { wanted.append((id, byteCount)) }
    }
    guard !wanted.isEmpty else { return }
    // The least first; of the same size the elder.
    wanted.sort { ($0.byteCount, $0.id) < ($1.byteCount, $1.id) }
    for (index, want) in wanted.enumerated() {
      let room = (limits.recordByteCount - yamux.outputByteCount) / (wanted.count - index) - YamuxFrame.headerByteCount
      let byteCount = min(want.byteCount, room)
      // Answers have taken the record; there is another after it.
      guard byteCount > 0 else { return }
      send(byteCount, on: want.id)
    }
  }

  private mutating func send(_ byteCount: Int, on id: UInt32) {
    guard var stream = streams[id] else { return }
    let sent = stream.queue.withFirst(byteCount) { yamux.send($0, on: id) } ?? 0
    stream.queue.removeFirst(sent)
    // What is the peer's own counts as read now.
    let echoed = max(0, stream.echoByteCount - stream.queue.count)
    stream.echoByteCount -= echoed
    let isWritable = stream.isWaiting && stream.queue.count <= limits.queueByteCount / 2
    if isWritable { stream.isWaiting = false }
    streams[id] = stream
    yamux.consume(echoed, of: id)
    if isWritable, stream.isTold { emit(.writable(id)) }
    finishIfSent(id)
  }
}
