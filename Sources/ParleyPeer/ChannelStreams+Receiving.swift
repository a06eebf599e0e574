import ParleyNoise
import ParleyWire

extension ChannelStreams {
  mutating func take(_ bytes: RawSpan, now: ContinuousClock.Instant) throws(ChannelStreamsError) {
    var position = 0
    while position < bytes.byteCount {
      do throws(YamuxError) {
        try yamux.receiveNext(bytes, &position)
      } catch {
        throw .yamux(error)
      }
      while let event = yamux.poll() { try handle(event, now: now) }
    }
    // Streams that both sides have finished are gone from yamux.
    if streams.count > yamux.streamCount {
      for id in Array(streams.keys) where !yamux.isOpen(id) { streams[id] = nil }
    }
  }

  private mutating func handle(_ event: YamuxEvent, now: ContinuousClock.Instant) throws(ChannelStreamsError) {
    switch event {
    case .opened(let id):
      yamux.accept(id)
      totals.accepted += 1
      streams[id] = ChannelStream(
        isInbound: true, purpose: .unnamed, selector: MultistreamSelector(.responder, names))
    case .data(let id, let bytes): try receive(bytes, on: id, now: now)
    case .finished(let id): try receiveFinish(of: id)
    case .reset(let id), .overrun(let id): try receiveReset(of: id)
    case .goAway(.normal): emit(.goneAway)
    case .goAway(let reason): throw .goneAway(reason)
    case .acknowledged, .writable, .pong: break
    }
  }

  private mutating func receive(
    _ bytes: [UInt8], on id: UInt32, now: ContinuousClock.Instant
  ) throws(ChannelStreamsError) {
    guard let stream = streams[id] else { return }
    guard stream.selector != nil else { return try receive(agreed: bytes, on: id, now: now) }
    guard let rest = try select(bytes, on: id), !rest.isEmpty else { return }
    try receive(agreed: rest, on: id, now: now)
  }

  // MARK: Agreement

  /// Goes on with what is to be spoken on a stream.
  ///
  /// - Returns: What is already of the protocol; `nil` without an agreement.
  private mutating func select(_ bytes: [UInt8], on id: UInt32) throws(ChannelStreamsError) -> [UInt8]? {
    guard var selector = streams[id]?.selector else { return nil }
    do throws(MultistreamError) {
      let selection = try selector.receive(bytes.rawSpan)
      streams[id]?.queue.append(selector.takeOutput())
      streams[id]?.selector = selection == nil ? selector : nil
      let rest = selection?.rest ?? []
      yamux.consume(bytes.count - rest.count, of: id)
      guard let selection, agree(on: selection.name, id) else { return nil }
      return rest
    } catch {
      guard id != negotiationStream else { throw .negotiationRefused(error) }
      end(id)
      return nil
    }
  }

  /// Notes what is spoken on a stream.
  ///
  /// - Returns: Whether it goes on: there is one stream of negotiation, and one of the peer's pings.
  private mutating func agree(on name: String, _ id: UInt32) -> Bool {
    guard let stream = streams[id] else { return false }
    guard stream.isInbound else {
      if stream.isTold { emit(.agreed(id)) }
      return true
    }
    switch name {
    case Self.negotiation:
      guard negotiationStream == nil else { return refuse(id) }
      negotiationStream = id
      streams[id]?.purpose = .negotiation
      streams[id]?.queue.append(early.all)
      early = WaitingBytes()
    case Self.ping:
      guard !streams.values.contains(where: { $0.purpose == .echo }) else { return refuse(id) }
      streams[id]?.purpose = .echo
    default:
      streams[id]?.purpose = .messages
      emit(.opened(id, protocol: name))
    }
    return true
  }

  private mutating func refuse(_ id: UInt32) -> Bool {
    drop(id)
    return false
  }

  // MARK: Data

  private mutating func receive(
    agreed bytes: [UInt8], on id: UInt32, now: ContinuousClock.Instant
  ) throws(ChannelStreamsError) {
    switch streams[id]?.purpose {
    case .negotiation, .messages: try receive(messages: bytes, on: id)
    case .echo: echo(bytes, on: id)
    case .ping: receive(pong: bytes, on: id, now: now)
    case .unnamed, nil: break
    }
  }

  private mutating func receive(messages bytes: [UInt8], on id: UInt32) throws(ChannelStreamsError) {
    do throws(MessageLengthError) {
      let messages = try streams[id]?.incoming.receive(bytes.rawSpan) ?? []
      for message in messages { emit(id == negotiationStream ? .negotiation(message) : .message(id, message)) }
    } catch {
      guard id != negotiationStream else { throw .wrongMessageLength(error.byteCount) }
      end(id)
    }
  }

  /// Sends whole blocks back; they count as read when they have left, so that who does not read cannot write either.
  private mutating func echo(_ bytes: [UInt8], on id: UInt32) {
    guard var stream = streams[id] else { return }
    stream.block += bytes
    let whole = stream.block.count - stream.block.count % Self.pingByteCount
    stream.queue.append(stream.block.prefix(whole))
    stream.echoByteCount += whole
    stream.block.removeFirst(whole)
    streams[id] = stream
  }

  private mutating func receive(pong bytes: [UInt8], on id: UInt32, now: ContinuousClock.Instant) {
    guard let question = pings.question else { return givePingUp() }
    var block = streams[id]?.block ?? []
    block += bytes
    guard block.count >= Self.pingByteCount else {
      streams[id]?.block = block
      return
    }
    guard block == question.payload else { return givePingUp() }
    streams[id]?.block = []
    yamux.consume(Self.pingByteCount, of: id)
    pings.question = nil
    let roundTrip = question.asked.duration(to: now)
    totals.pongs += 1
    totals.roundTrip = roundTrip
    emit(.roundTrip(roundTrip))
  }

  // MARK: Ends

  private mutating func receiveFinish(of id: UInt32) throws(ChannelStreamsError) {
    guard id != negotiationStream else { throw .negotiationEnded }
    guard let stream = streams[id] else { return }
    guard stream.selector == nil, stream.incoming.isAtBoundary, stream.block.isEmpty else { return end(id) }
    switch stream.purpose {
    case .messages: emit(.finished(id))
    case .echo:
      streams[id]?.finishes = true
      finishIfSent(id)
    case .ping, .unnamed, .negotiation: end(id)
    }
  }

  private mutating func receiveReset(of id: UInt32) throws(ChannelStreamsError) {
    guard id != negotiationStream else { throw .negotiationEnded }
    end(id)
  }

  /// Ends a stream out of order, and tells who has to know.
  private mutating func end(_ id: UInt32) {
    guard let stream = streams[id] else { return }
    if id == pings.stream { return givePingUp() }
    drop(id)
    if stream.isTold { emit(.reset(id)) }
  }
}
