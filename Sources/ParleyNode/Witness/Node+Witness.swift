internal import ParleyIO
public import ParleyIdentity
internal import ParleyJournal
internal import ParleyNegotiation
internal import ParleyStore
internal import ParleyWire

/// For whom a node is a witness.
public enum WitnessAudience: Hashable, Sendable {
  /// For every peer that is let in.
  case anyone
  /// For these.
  case peers(Set<DID>)

  func contains(_ did: DID) -> Bool {
    switch self {
    case .anyone: true
    case .peers(let peers): peers.contains(did.shortForm)
    }
  }
}

/// When witnesses are asked and called again.
enum WitnessTimes {
  /// Between two questions about one slot.
  static let question: Duration = .milliseconds(500)
  /// Between two calls to a witness that could not be reached.
  static let call: Duration = .seconds(2)
}

// MARK: - Being a witness

extension Node {
  func startWitness() throws(NodeError) {
    guard configuration.witnessFor != nil else { return }
    var entries: [Entry] = []
    var restored: UnixNanoseconds?
    do throws(StoreError) {
      try store.reader.forEachEntry(matching: EntryQuery(kind: WitnessService.entryKind)) { entry throws(StoreError) in
        entries.append(entry)
      }
      if let lostEnd { restored = try store.reader.entry(lostEnd)?.time }
    } catch {
      throw .journal("\(error)")
    }
    witness = try WitnessService(signer: signer, entries: entries, restored: restored) { drafts, then in
      self.makeDurable(drafts, then)
    }
  }

  func witnessStatus() -> WitnessStatus {
    WitnessStatus(slots: witness?.count, doubts: sessions.values.reduce(0) { $0 + $1.slotQuestionCount })
  }

  /// Takes what has come on streams of witnesses: questions to this node, and answers to its own.
  func takeWitnessMessages(_ channel: PeerChannel) {
    guard let peer = channel.peer else { return }
    for delivery in channel.takeWitnessMessages() {
      if delivery.isAnswer {
        take(answer: delivery.message, of: peer, channel)
      } else {
        let stream = delivery.stream
        let isServed = configuration.witnessFor?.contains(peer.did) ?? false
        let isQuestion: Bool
        if let witness {
          isQuestion = witness.take(delivery.message, from: peer.did, isServed: isServed) { [weak channel] answer in
            channel?.answerWitness(answer, on: stream)
          }
        } else {
          isQuestion = refuse(delivery.message, stream, channel)
        }
        if !isQuestion { channel.resetWitness(stream) }
      }
      channel.consumeWitness(delivery)
    }
  }

  /// Says that this node is nobody's witness; whether it was asked something.
  private func refuse(_ message: [UInt8], _ stream: UInt32, _ channel: PeerChannel) -> Bool {
    switch try? WitnessMessage(message) {
    case .write(let slot, _), .query(let slot):
      channel.answerWitness(WitnessMessage.refused(slot.id, Fault(.noWitness)).encoded, on: stream)
      return true
    case .stamp, .open, .refused, nil: return false
    }
  }
}

// MARK: - Asking one

extension Node {
  /// Calls the witnesses that were configured until each is known; from then on they are called like every peer.
  func callWitnesses() {
    for witness in configuration.witnesses {
      Task {
        while !isStopping {
          do throws(NodeError) {
            _ = try await connect(witness)
            return
          } catch {
            log.warning("witness-unreachable", ["witness": witness, "why": error.description])
          }
          await pause(WitnessTimes.call)
        }
      }
    }
  }

  private func pause(_ duration: Duration) async {
    await withCheckedContinuation { continuation in loop.schedule(after: duration) { continuation.resume() } }
  }

  /// Whether a channel to the witness of this DID is up.
  func isReachable(_ witness: String) -> Bool {
    guard let did = try? DID(parsing: witness) else { return false }
    return sessions[did.shortForm]?.isConnected ?? false
  }

  /// The first of a request's witnesses that this node takes and reaches.
  func chosenWitness(_ request: QuoteRequest) -> String? {
    let mine = configuration.witnessDIDs
    return request.witnesses.first { named in mine.contains(where: named.hasSameBytes) && isReachable(named) }
  }

  /// Asks witnesses what a session has to know, unless that was asked a moment ago.
  func consultWitnesses(of session: PeerSession) {
    for question in session.dueSlotQuestions() {
      guard let did = try? DID(parsing: question.witness), let witness = sessions[did.shortForm] else { continue }
      witness.askWitness(question.message.encoded)
    }
  }

  private func take(answer message: [UInt8], of peer: PeerIdentity, _ channel: PeerChannel) {
    switch try? WitnessMessage(message) {
    case .stamp(let stamp):
      guard stamp.isSigned(by: peer) else {
        log.error("stamp-forged", ["witness": peer.did.string])
        return
      }
      log.debug(
        "stamp", ["witness": peer.did.string, "offer": "\(stamp.slot.offer)", "empty": "\(stamp.content == nil)"])
      for session in sessions.values { session.take(stamp, of: peer) }
    case .open: break
    case .refused(_, let fault):
      log.warning("witness-refused", ["witness": peer.did.string, "why": "\(fault)"])
    case .write, .query, nil:
      channel.resetWitness(nil)
    }
  }
}
