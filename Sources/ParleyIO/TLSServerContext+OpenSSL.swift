internal import COpenSSL
internal import ParleyWebSocket

/// The certificates with which a server speaks TLS.
///
/// Any thread may use it, and any number of servers. What it holds can be replaced while they run: connections that
/// are there keep what they began with, and those that come get the new.
public final class TLSServerContext: Sendable {
  /// What was read from the files at one time.
  private struct State {
    var configuration: TLSServerConfiguration
    var edition: TLSServerEdition
  }

  private let state: Locked<State>

  /// Reads a certificate chain and its private key, both in PEM.
  ///
  /// - Parameters:
  ///   - certificateFile: the server's certificate, then those that lead to the root.
  ///   - privateKeyFile: the certificate's key, not encrypted.
  /// - Throws: `tlsFile`.
  public convenience init(certificateFile: String, privateKeyFile: String) throws(IOError) {
    let identity = TLSIdentity(certificateFile: certificateFile, privateKeyFile: privateKeyFile)
    try self.init(TLSServerConfiguration(identities: [identity]))
  }

  /// Reads the files of a configuration.
  ///
  /// - Throws: `tlsFile`.
  public init(_ configuration: TLSServerConfiguration) throws(IOError) {
    state = Locked(State(configuration: configuration, edition: try TLSServerEdition(configuration)))
  }

  /// What the context was last set up with.
  public var configuration: TLSServerConfiguration { state.withLock(\.configuration) }

  /// Reads the files again: new connections get what is in them now.
  ///
  /// Tickets issued before resume nothing any more. It reads from the disk; that is all it waits for.
  ///
  /// - Throws: `tlsFile`. What was in force stays so.
  public func reload() throws(IOError) { try replace(with: configuration) }

  /// Reads the files of another configuration, for connections from now on.
  ///
  /// - Throws: `tlsFile`. What was in force stays so.
  public func replace(with configuration: TLSServerConfiguration) throws(IOError) {
    let edition = try TLSServerEdition(configuration)
    state.withLock { $0 = State(configuration: configuration, edition: edition) }
  }

  /// What connections from now on use.
  var edition: TLSServerEdition { state.withLock(\.edition) }
}

/// What one reading of a server's files gave; sessions hold the one that they began with.
final class TLSServerEdition: Sendable {
  /// The context that sessions begin with: that of the first certificate.
  let initial: TLSContextHandle
  private let contexts: [TLSContextHandle]
  /// The context for each name, and for each `*.` and the rest of a name.
  private let named: [String: Int]
  private let applicationProtocols: [[UInt8]]
  let ticketKeys: TLSTicketKeys?

  init(_ configuration: TLSServerConfiguration) throws(IOError) {
    var contexts: [TLSContextHandle] = []
    var named: [String: Int] = [:]
    for identity in configuration.identities {
      let context = try Self.makeContext(identity, configuration)
      for name in context.names where named[name.lowercased()] == nil { named[name.lowercased()] = contexts.count }
      contexts.append(context)
    }
    precondition(!contexts.isEmpty, "a server needs a certificate")
    initial = contexts[0]
    self.contexts = contexts
    self.named = named
    applicationProtocols = configuration.applicationProtocols.map { Array($0.utf8) }
    ticketKeys = Self.hasTickets(configuration) ? TLSTicketKeys() : nil
  }

  private static func hasTickets(_ configuration: TLSServerConfiguration) -> Bool {
    // A ticket would carry a certificate past the moment at which it is no longer believed.
    configuration.issuesTickets && configuration.clientCertificates == .none
  }

  private static func makeContext(
    _ identity: TLSIdentity, _ configuration: TLSServerConfiguration
  ) throws(IOError) -> TLSContextHandle {
    let context = try unsafe TLSContextHandle(TLS_server_method(), minimumVersion: configuration.minimumVersion)
    try context.use(identity)
    let pointer = unsafe context.pointer
    if let file = configuration.clientCertificates.authorityFile {
      try context.trust(file)
      guard let authorities = unsafe SSL_load_client_CA_file(file) else {
        throw .tlsFile(file, reason: TLSLibrary.takeError())
      }
      unsafe SSL_CTX_set_client_CA_list(pointer, authorities)
      // The purpose, to prove a client, is checked because this is a server's context.
      var mode = SSL_VERIFY_PEER
      if case .required = configuration.clientCertificates { mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT }
      unsafe SSL_CTX_set_verify(pointer, mode, nil)
    }
    if hasTickets(configuration) {
      unsafe SSL_CTX_set_num_tickets(pointer, 1)
      _ = unsafe SSL_CTX_set_timeout(pointer, CLong(TLSTicketKeys.lifetime.components.seconds))
      unsafe TLSTicketKeys.install(in: pointer)
    } else {
      unsafe SSL_CTX_set_num_tickets(pointer, 0)
      unsafe SSL_CTX_set_options(pointer, COpenSSL_SSL_OP_NO_TICKET)
    }
    if !configuration.applicationProtocols.isEmpty {
      _ = TLSLibrary.wireForm(configuration.applicationProtocols)
      unsafe SSL_CTX_set_alpn_select_cb(pointer, selectProtocol, nil)
    }
    guard configuration.identities.count > 1 else { return context }
    _ = unsafe COpenSSL_SSL_CTX_set_tlsext_servername_callback(pointer) { session, _, _ in
      guard let session = unsafe session, let name = unsafe SSL_get_servername(session, TLSEXT_NAMETYPE_host_name)
      else { return SSL_TLSEXT_ERR_NOACK }
      guard let edition = unsafe TLSSession.of(session)?.serverEdition,
        let context = unsafe edition.context(for: String(cString: name))
      else { return SSL_TLSEXT_ERR_NOACK }
      return unsafe SSL_set_SSL_CTX(session, context.pointer) != nil ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL
    }
    return context
  }

  /// The context whose certificate has a name, exactly or by a wildcard in place of its first label.
  private func context(for name: String) -> TLSContextHandle? {
    let name = name.lowercased()
    let parent = name.drop { $0 != "." }
    guard let index = named[name] ?? (parent.isEmpty ? nil : named["*" + parent]) else { return nil }
    return contexts[index]
  }

  /// The server's first protocol that the client offers (RFC 7301 section 3.2).
  private static let selectProtocol:
    @convention(c) (
      OpaquePointer?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, UnsafeMutablePointer<UInt8>?,
      UnsafePointer<UInt8>?, CUnsignedInt, UnsafeMutableRawPointer?
    ) -> CInt = { session, chosen, chosenCount, offers, offersCount, _ in
      guard let session = unsafe session, let edition = unsafe TLSSession.of(session)?.serverEdition,
        let offers = unsafe offers
      else { return SSL_TLSEXT_ERR_ALERT_FATAL }
      let all = unsafe UnsafeBufferPointer(start: offers, count: Int(offersCount))
      for name in edition.applicationProtocols {
        var start = 0
        // OpenSSL has checked that the lengths add up; this does not rest on it.
        while start < all.count {
          let length = Int(unsafe all[start])
          guard length < all.count &- start else { return SSL_TLSEXT_ERR_ALERT_FATAL }
          if unsafe all[(start &+ 1)..<(start &+ 1 &+ length)].elementsEqual(name) {
            unsafe chosen?.pointee = offers + start + 1
            unsafe chosenCount?.pointee = UInt8(length)
            return SSL_TLSEXT_ERR_OK
          }
          start &+= 1 &+ length
        }
      }
      return SSL_TLSEXT_ERR_ALERT_FATAL
    }
}
