internal import ParleyIO
internal import ParleyIdentity
internal import ParleyNegotiation
internal import ParleyWire

/// What became of this node's offers to one peer when all were cancelled.
struct CancelSummary {
  let peer: String
  let cancelled: [DialogueID]
  let held: [DialogueID]
  let inDoubt: [DialogueID]
  /// Whether the MassCancel waits for the peer's first SYNC since this node started; no Accept can come before it.
  let isDeferred: Bool
  /// Why nothing could be cancelled: the pair is frozen, and confirms nothing either.
  let refusal: String?

  var json: JSONValue {
    func ids(_ list: [DialogueID]) -> JSONValue { .array(list.map { .string($0.description) }) }
    var object: JSONObject = [
      "peer": .string(peer), "cancelled": ids(cancelled), "held": ids(held), "in_doubt": ids(inDoubt),
      "deferred": .bool(isDeferred),
    ]
    object["refused"] = refusal.map(JSONValue.string)
    return .object(object)
  }
}

extension Node {
  /// Takes back every live offer of this node's that is not held, to every peer: one MassCancel a pair, durable on return.
  ///
  /// Held offers stand until their time; Accepts in doubt stay so until their verdict.
  func cancelAll(code: NegotiationCode = .none) async -> [CancelSummary] {
    var summaries: [CancelSummary] = []
    for session in sessions.values.sorted(by: { $0.peer.did.string < $1.peer.did.string }) {
      let peer = session.peer.did.string
      do throws(NegotiationError) {
        let result = try await session.massCancel(self, code)
        guard !(result.cancelled + result.held + result.inDoubt).isEmpty else { continue }
        summaries.append(
          CancelSummary(
            peer: peer, cancelled: result.cancelled, held: result.held, inDoubt: result.inDoubt,
            isDeferred: result.isDeferred, refusal: nil))
      } catch {
        summaries.append(
          CancelSummary(peer: peer, cancelled: [], held: [], inDoubt: [], isDeferred: false, refusal: error.sentence))
      }
    }
    log.warning("cancelled-all", ["offers": "\(summaries.reduce(0) { $0 + $1.cancelled.count })", "code": "\(code)"])
    return summaries
  }

  /// Answers `cancel`: one dialogue's offer, or with `all` every one.
  func cancel(_ request: ControlRequest) async throws -> JSONValue {
    if request.flag("all") { return .array(await cancelAll().map(\.json)) }
    let (session, view) = try dialogue(request.text("dialogue"))
    _ = try await session.perform(self) { engine throws(NegotiationError) in
      try engine.cancelOffer(
        view.id, clientOrderID: request.optionalText("client_order_id"), now: .now)
    }
    return DialogueSummary(session.published[view.id] ?? view, session).json
  }
}
