internal import ParleyCrypto
public import ParleyWebSocket
internal import ParleyWire

/// Says who a client is, for the servers of any number of loops.
///
///     let authenticator = UpgradeAuthenticator(ClientAuthenticator(tokens: BearerTokens(grants)))
///     WebSocketServer(loop: loop, configuration: configuration) { request, info in
///       authenticator.decide(request, info) { identity in
///         .accept(subprotocol: request.subprotocol, identity: identity) { connection in ... }
///       }
///     }
public final class UpgradeAuthenticator: Sendable {
  private let state: Locked<ClientAuthenticator>

  /// Opens the ways of `authenticator`.
  public init(_ authenticator: ClientAuthenticator) { state = Locked(authenticator) }

  /// Who the client is that asks.
  ///
  /// - Throws: why it is nobody, with the answer to send.
  public func identify(
    _ request: UpgradeRequest, _ info: ConnectionInfo
  ) throws(AuthenticationRefusal) -> ClientIdentity {
    let attempt = AuthenticationAttempt(
      request: request, exporter: info.tlsExporter, certificate: info.peerCertificate, now: .now, time: .current,
      randomness: SystemRandom.bytes(16))
    let result = state.withLock { authenticator -> Result<ClientIdentity, AuthenticationRefusal> in
      do throws(AuthenticationRefusal) {
        return .success(try authenticator.identify(attempt))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  /// The decision about a request: `accept`'s for a client that is somebody, a refusal for any other.
  ///
  /// - Parameters:
  ///   - request: the valid request.
  ///   - info: its connection.
  ///   - onRefusal: told of each refusal, for the log.
  ///   - accept: decides about a client that has proved who it is; it may still refuse.
  /// - Returns: what the hook of a server returns.
  public func decide(
    _ request: UpgradeRequest, _ info: ConnectionInfo, onRefusal: ((AuthenticationError) -> Void)? = nil,
    accept: (ClientIdentity) -> UpgradeDecision
  ) -> UpgradeDecision {
    do throws(AuthenticationRefusal) {
      return accept(try identify(request, info))
    } catch {
      onRefusal?(error.reason)
      return .refuse(status: error.status, fields: error.fields)
    }
  }

  /// Lets others in from now on, such as after a file of tokens has changed.
  ///
  /// For keys there is ``SignedChallenges/replaceGrants(_:)``, which keeps what was issued and what was answered.
  public func update(_ change: @Sendable (inout ClientAuthenticator) -> Void) { state.withLock { change(&$0) } }
}

extension SignedChallenges {
  /// Lets these keys in, with a secret drawn for this process.
  ///
  /// - Parameters:
  ///   - grants: the keys.
  ///   - hosts: the names of this server, in lower case and without port.
  public init(_ grants: [Grant], hosts: Set<String>) {
    self.init(grants, hosts: hosts, secret: SystemRandom.bytes(32))
  }
}
