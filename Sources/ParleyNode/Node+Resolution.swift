internal import ParleyHandshake
internal import ParleyIO
internal import ParleyIdentity
internal import ParleyJournal
internal import ParleyStore
internal import ParleyWire

/// When the document of a connected peer is looked at again (PSC/1 section 4).
struct ResolutionTimes: Hashable, Sendable {
  /// Between two looks, give or take a tenth.
  var interval: Duration = .seconds(900)
  /// After a look that failed.
  var retry: Duration = .seconds(60)
  /// How long a session outlives the last look that succeeded.
  var grace: Duration = .seconds(3600)
}

/// What one channel knows of its peer's document.
struct DocumentWatch {
  /// When the document was last seen to hold.
  var confirmed = ContinuousClock.now
  var timer: ScheduledWork?
}

// MARK: - Looking again

extension Node {
  /// Looks at the document of a peer again and again while this channel lasts, if the document can change.
  func watchDocument(of peer: PeerIdentity, _ number: Int) {
    guard peer.did.canChange else { return }
    watches[number] = DocumentWatch()
    let tenth = Double.random(in: -0.1...0.1)
    lookAgain(number, in: configuration.resolutionTimes.interval * (1 + tenth))
  }

  /// The channel has ended.
  func unwatchDocument(_ number: Int) { watches.removeValue(forKey: number)?.timer?.cancel() }

  private func lookAgain(_ number: Int, in duration: Duration) {
    watches[number]?.timer = loop.schedule(after: duration) { [weak self] in
      self?.assumeIsolated { node in _ = Task { await node.look(number) } }
    }
  }

  private func look(_ number: Int) async {
    guard let peer = channels[number]?.peer, !isStopping else { return }
    let outcome = await documentOutcome(of: peer)
    // The channel may have ended meanwhile.
    guard let channel = channels[number], let watch = watches[number] else { return }
    let times = configuration.resolutionTimes
    switch outcome {
    case .holds:
      watches[number]?.confirmed = .now
      watchAgain(number)
    case .failed(let why):
      let age = watch.confirmed.duration(to: .now)
      log.warning("document-unseen", ["peer": peer.did.string, "why": why, "seconds": "\(age / .seconds(1))"])
      guard age < times.grace else { return end(channel, peer, "its document could not be seen for too long") }
      lookAgain(number, in: min(times.retry, times.grace - age))
    case .gone(let why): end(channel, peer, why)
    }
  }

  private func watchAgain(_ number: Int) {
    lookAgain(number, in: configuration.resolutionTimes.interval * (1 + Double.random(in: -0.1...0.1)))
  }

  private func end(_ channel: PeerChannel, _ peer: PeerIdentity, _ why: String) {
    log.warning("session-ended", ["peer": peer.did.string, "why": why])
    // Nothing that comes later on this channel is taken: its session lets it go first.
    if let session = sessions[peer.did], session.uses(channel) { session.detach() } else { channel.close() }
  }

  private enum DocumentOutcome {
    /// The keys of the session, or those that they have handed over to, are the document's.
    case holds
    /// Nothing could be learnt.
    case failed(String)
    /// The keys are not the document's any more.
    case gone(String)
  }

  private func documentOutcome(of peer: PeerIdentity) async -> DocumentOutcome {
    do {
      guard let known = try knownPeer(peer.did), let pinned = known.pinned else {
        return .gone("it is not let in any more")
      }
      var request = DIDResolver.Request(peer.did)
      request.isKnown = true
      request.isForced = true
      request.pinned = pinned
      let resolution: DIDResolution
      switch await documents.result(request) {
      case .success(let found): resolution = found
      case .failure(.refused(.deactivated)): return .gone("the DID was deactivated")
      case .failure(let error): return .failed(error.description)
      }
      guard let current = resolution.document.identity(preferring: pinned) else {
        return .gone("its document has no key that may speak for it")
      }
      switch try verdict(on: current, resolution, known, .called) {
      case .admitted(let approval, let statements):
        if current.documentBytes != known.document.bytes { try pin(current, approval, statements) }
        return .holds
      case .refused(.keysChanged):
        return .gone("its document has other keys (\(KeyFingerprint(current))) than those let in")
      case .refused(.denied): return .gone("it was denied")
      case .refused(let code): return .failed(code.reason)
      }
    } catch {
      return .failed("\(error)")
    }
  }
}
