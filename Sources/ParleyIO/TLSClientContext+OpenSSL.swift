internal import COpenSSL
internal import ParleyWebSocket

/// Whom a client trusts to say who a server is, and what it shows of itself.
///
/// Any thread may use it.
public final class TLSClientContext: Sendable {
  let handle: TLSContextHandle
  /// The newest ticket of each host; `nil` if none are kept.
  private let tickets: Locked<TLSTicketShelf>?

  /// Trusts the authorities of the system or, if a file is given, those in it and no other.
  ///
  /// - Parameters:
  ///   - authorityFile: certificates in PEM, or `nil` for the system's.
  ///   - addsSystemTrust: whether the system's authorities are trusted beside those of the file.
  /// - Throws: `tlsFile`.
  public convenience init(authorityFile: String? = nil, addsSystemTrust: Bool = false) throws(IOError) {
    var configuration = TLSClientConfiguration(authorityFile: authorityFile)
    configuration.addsSystemTrust = addsSystemTrust
    try self.init(configuration)
  }

  /// Reads the files of a configuration.
  ///
  /// - Throws: `tlsFile`.
  public init(_ configuration: TLSClientConfiguration) throws(IOError) {
    handle = try unsafe TLSContextHandle(TLS_client_method(), minimumVersion: configuration.minimumVersion)
    let pointer = unsafe handle.pointer
    unsafe SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER, nil)
    if let file = configuration.authorityFile { try handle.trust(file) }
    if configuration.authorityFile == nil || configuration.addsSystemTrust { handle.trustSystem() }
    if let identity = configuration.identity { try handle.use(identity) }
    let offers = TLSLibrary.wireForm(configuration.applicationProtocols)
    // Unlike its neighbours, this function gives 0 for success.
    precondition(unsafe offers.isEmpty || SSL_CTX_set_alpn_protos(pointer, offers, CUnsignedInt(offers.count)) == 0)
    guard configuration.keepsTickets else {
      unsafe SSL_CTX_set_options(pointer, COpenSSL_SSL_OP_NO_TICKET)
      tickets = nil
      return
    }
    tickets = Locked(TLSTicketShelf())
    let mode = CLong(SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL)
    _ = unsafe COpenSSL_SSL_CTX_set_session_cache_mode(pointer, mode)
    unsafe SSL_CTX_sess_set_new_cb(pointer) { session, ticket in
      guard let session = unsafe session, let ticket = unsafe ticket, let owner = unsafe TLSSession.of(session),
        let context = owner.clientContext, unsafe SSL_version(session) == TLS1_3_VERSION,
        // OpenSSL spoils its own when the connection ends without a close_notify.
        let copy = unsafe SSL_SESSION_dup(ticket)
      else { return 0 }
      unsafe context.keep(TLSTicket(owning: copy), for: owner.host)
      return 0
    }
  }

  /// The ticket for the next connection to a host, which has it alone: one that is used twice links two connections
  /// (RFC 8446 appendix C.4).
  func takeTicket(for host: String) -> TLSTicket? { tickets?.withLock { $0.take(host) } }

  private func keep(_ ticket: TLSTicket, for host: String) { tickets?.withLock { $0.put(ticket, host) } }
}

/// A session that a server will resume.
@safe
final class TLSTicket: @unchecked Sendable {
  let pointer: OpaquePointer

  init(owning pointer: OpaquePointer) { unsafe self.pointer = pointer }

  deinit { unsafe SSL_SESSION_free(pointer) }
}

/// The newest ticket of each host, for the hosts that gave one last.
struct TLSTicketShelf {
  static let maximumCount = 64

  private var tickets: [(host: String, ticket: TLSTicket)] = []

  mutating func put(_ ticket: TLSTicket, _ host: String) {
    tickets.removeAll { $0.host == host }
    if tickets.count == Self.maximumCount { tickets.removeFirst() }
    tickets.append((host, ticket))
  }

  mutating func take(_ host: String) -> TLSTicket? {
    guard let index = tickets.firstIndex(where: { $0.host == host }) else { return nil }
    return tickets.remove(at: index).ticket
  }
}
