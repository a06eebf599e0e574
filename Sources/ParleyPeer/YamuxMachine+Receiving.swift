import ParleyNoise
import ParleyWire

/// One stream, as this side sees it.
struct YamuxStream: Sendable {
  let isInbound: Bool
  /// Bytes that the peer may still send.
  var receiveWindow: Int
  /// Bytes that this side may still send.
  var sendWindow = YamuxLimits.initialWindowByteCount
  /// Bytes that came and were not consumed.
  var unreadByteCount = 0
  /// Whether the side that did not open the stream has accepted it.
  var isAcknowledged = false
  var isFinishedHere = false
  var isFinishedByPeer = false
  /// Whether a writer was told that not all of its bytes were taken.
  var isWaiting = false

  init(isInbound: Bool, window: Int) {
    self.isInbound = isInbound
    receiveWindow = window
  }
}

/// The rest of a data frame that is coming in.
struct YamuxPayload: Sendable {
  let stream: UInt32
  var remaining: Int
  /// Whether the frame ends what the peer sends.
  let finishes: Bool
}

extension YamuxMachine {
  mutating func parse(_ bytes: RawSpan) throws(YamuxError) {
    var position = 0
    while position < bytes.byteCount { try parseNext(bytes, &position) }
  }

  /// Takes the next frame, or as much of it as is there, from `position` on, and moves that.
  private mutating func parseNext(_ bytes: RawSpan, _ position: inout Int) throws(YamuxError) {
    if let payload {
      let count = min(payload.remaining, bytes.byteCount - position)
      receive(bytes.extracting(position..<(position + count)), of: payload)
      position += count
      return
    }
    let count = min(YamuxFrame.headerByteCount - header.count, bytes.byteCount - position)
    header.append(contentsOf: bytes.extracting(position..<(position + count)))
    position += count
    guard header.count == YamuxFrame.headerByteCount else { return }
    let frame = try YamuxFrame.decode(header.rawSpan)
    header.removeAll(keepingCapacity: true)
    try checkAnswers()
    try receive(frame)
  }

  /// Takes bytes from `position` on up to where an event may have come of them, and moves that: whoever acts on each
  /// before the next frame comes to the same end, however the bytes were cut.
  ///
  /// - Throws: As ``receive(_:)``.
  mutating func receiveNext(_ bytes: RawSpan, _ position: inout Int) throws(YamuxError) {
    guard !isEnded else { throw .ended }
    do throws(YamuxError) {
      try parseNext(bytes, &position)
    } catch {
      fail()
      throw error
    }
  }

  private mutating func receive(_ frame: YamuxFrame) throws(YamuxError) {
    switch frame.kind {
    case .ping:
      if frame.flags.contains(.syn) {
        send(.ping, .ack, 0, Int(frame.length))
      } else {
        receivePong(frame.length)
      }
    case .goAway:
      isPeerGoingAway = true
      emit(.goAway(YamuxGoAway(code: frame.length)))
    case .data, .windowUpdate:
      try receiveStreamFrame(frame)
    }
  }

  private mutating func receiveStreamFrame(_ frame: YamuxFrame) throws(YamuxError) {
    let id = frame.stream
    if frame.flags.contains(.syn) { try receiveOpening(frame) }
    guard var stream = streams[id] else {
      // It ended while this was on its way, or was refused.
      let highest = isInbound(id) ? highestInbound : nextStream.map { $0 - 1 } ?? .max
      guard id <= highest else { throw .unknownStream(id) }
      return try skip(frame)
    }
    if frame.flags.contains(.rst) {
      forget(id)
      emit(.reset(id))
      return try skip(frame)
    }
    if frame.flags.contains(.ack), !stream.isInbound, !stream.isAcknowledged {
      stream.isAcknowledged = true
      emit(.acknowledged(id))
    }
    let length = Int(frame.length)
    let finishes = frame.flags.contains(.fin)
    if frame.kind == .data {
      guard length <= stream.receiveWindow else { throw .windowExceeded(id, byteCount: length) }
      guard length == 0 || !stream.isFinishedByPeer else { throw .dataAfterFinish(id) }
      stream.receiveWindow -= length
      streams[id] = stream
      if length > 0 {
        payload = YamuxPayload(stream: id, remaining: length, finishes: finishes)
        return
      }
    } else {
      guard stream.sendWindow <= Int(UInt32.max) - length else { throw .windowOverflow(id) }
      stream.sendWindow += length
      streams[id] = stream
      wake(id)
    }
    if finishes { receiveFinish(id) }
  }

  private func isInbound(_ id: UInt32) -> Bool { id.isMultiple(of: 2) == (side == .initiator) }

  private mutating func receiveOpening(_ frame: YamuxFrame) throws(YamuxError) {
    let id = frame.stream
    guard isInbound(id) else { throw .misplacedStream(id) }
    guard streams[id] == nil else { throw .streamInUse(id) }
    highestInbound = max(highestInbound, id)
    guard !frame.flags.contains(.rst) else { return }
    guard !isGoingAway, inboundCount < limits.inboundStreamCount else { return send(.windowUpdate, .rst, id, 0) }
    inboundCount += 1
    streams[id] = YamuxStream(isInbound: true, window: YamuxLimits.initialWindowByteCount)
    emit(.opened(id))
  }

  /// Passes over a frame of a stream that is gone: the peer had leave for one window at most.
  private mutating func skip(_ frame: YamuxFrame) throws(YamuxError) {
    guard frame.kind == .data, frame.length > 0 else { return }
    let length = Int(frame.length)
    guard length <= limits.windowByteCount else { throw .windowExceeded(frame.stream, byteCount: length) }
    payload = YamuxPayload(stream: frame.stream, remaining: length, finishes: false)
  }

  private mutating func receive(_ bytes: RawSpan, of payload: YamuxPayload) {
    var rest = payload
    rest.remaining -= bytes.byteCount
    self.payload = rest.remaining > 0 ? rest : nil
    let id = payload.stream
    guard var stream = streams[id] else { return }
    guard bytes.byteCount <= limits.unreadByteCount - unreadByteCount else {
      reset(id)
      return emit(.overrun(id))
    }
    stream.unreadByteCount += bytes.byteCount
    unreadByteCount += bytes.byteCount
    streams[id] = stream
    emit(.data(id, [UInt8](bytes)))
    if rest.remaining == 0, payload.finishes { receiveFinish(id) }
  }

  private mutating func receiveFinish(_ id: UInt32) {
    guard var stream = streams[id], !stream.isFinishedByPeer else { return }
    stream.isFinishedByPeer = true
    streams[id] = stream
    emit(.finished(id))
    if stream.isFinishedHere { forget(id) }
  }
}
