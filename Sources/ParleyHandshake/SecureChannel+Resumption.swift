import ParleyCrypto
import ParleyIdentity
import ParleyWire

/// Where the resumption of an earlier session stands: the initiator asks with its first record, or never.
enum Resumption {
  /// Nothing has been asked, and still can be.
  case open
  /// The initiator has asked about this session.
  case asked(ResumableSession)
  /// The responder has been asked, and has not answered.
  case owesAnswer(ResumeBody)
  /// It is over.
  case over
}

extension SecureChannel {
  /// This session, to be resumed in a later one.
  ///
  /// The initiator keeps it; the responder puts it into its ``ResumptionTable`` when the connection has ended.
  public var resumable: ResumableSession {
    ResumableSession(resumeID: resumeID, peer: peer.did, continuity: continuity)
  }

  /// Asks to resume an earlier session, as the initiator's first record.
  ///
  /// - Parameters:
  ///   - session: The earlier session.
  ///   - streams: How far this side has received its streams.
  ///   - output: Where the record is appended.
  /// - Throws: As ``seal(_:_:into:)``.
  /// - Precondition: This side is the initiator and has sent nothing, the session was with the same peer, and there are at
  ///   most ``ResumptionLimits/streams`` streams.
  public mutating func resume(
    _ session: ResumableSession, streams: [StreamPosition], into output: inout [UInt8]
  ) throws(HandshakeError) {
    precondition(role == .initiator && counters.sent.records == 0, "RESUME is the initiator's first record")
    precondition(session.peer.hasSameBytes(as: peer.did), "a session is resumed with the same peer")
    let body = ResumeBody(
      resumeID: session.resumeID, proof: session.proof(of: .initiator, in: transcriptHash), streams: streams
    ).encoded
    try sealAny(.resume, body.rawSpan, into: &output)
    resumption = .asked(session)
  }

  /// Answers a RESUME that ``open(in:)`` has given.
  ///
  /// The session that it names is gone from the table afterwards, whatever the answer.
  ///
  /// - Parameters:
  ///   - table: The sessions that can be resumed.
  ///   - now: The time.
  ///   - output: Where RESUMED is appended.
  /// - Returns: How far the peer has received the streams of the earlier session, and how far this side had; `nil` if
  ///   the streams start afresh.
  /// - Throws: As ``seal(_:_:into:)``.
  /// - Precondition: A RESUME came last.
  public mutating func answerResume(
    from table: inout ResumptionTable, now: ContinuousClock.Instant, into output: inout [UInt8]
  ) throws(HandshakeError) -> (peer: [StreamPosition], own: [StreamPosition])? {
    guard case .owesAnswer(let request) = resumption else { preconditionFailure("nobody asked to resume") }
    resumption = .over
    guard let found = table.take(request.resumeID, of: peer.did, now: now),
      ConstantTime.equal(request.proof, found.session.proof(of: .initiator, in: transcriptHash))
    else {
      let refusal = [UInt8]()
      try sealAny(.resumed, refusal.rawSpan, into: &output)
      return nil
    }
    let body = ResumedBody(
      proof: found.session.proof(of: .responder, in: transcriptHash), streams: found.streams
    ).encoded
    try sealAny(.resumed, body.rawSpan, into: &output)
    return (request.streams, found.streams)
  }

  /// How far the responder had received the streams of the session that was asked about; `nil` until it says so, and if
  /// the streams start afresh.
  public var resumedStreams: [StreamPosition]? { resumed }

  mutating func receiveResume(_ body: RawSpan) throws(HandshakeError) {
    guard role == .responder, case .open = resumption,
      withKeys({ $0.receiving.epoch == 0 && $0.receiving.sequence == 1 })
        == true
    else { throw .unexpectedRecordType(RecordType.resume.rawValue) }
    resumption = .owesAnswer(try ResumeBody(body))
  }

  mutating func receiveResumed(_ body: RawSpan) throws(HandshakeError) {
    guard case .asked(let session) = resumption else { throw .unexpectedRecordType(RecordType.resumed.rawValue) }
    resumption = .over
    guard body.byteCount > 0 else { return }
    let answer = try ResumedBody(body)
    guard ConstantTime.equal(answer.proof, session.proof(of: .responder, in: transcriptHash)) else {
      throw .malformedResumption
    }
    resumed = answer.streams
  }
}
