internal import COpenSSL
internal import Glibc
internal import ParleyWebSocket

/// TLS on one connected socket.
///
/// Loop thread only. Readiness of the socket must be reported by level: a call reads what is there, and does not ask
/// the kernel once more to learn that nothing is left.
@safe
final class TLSSession {
  enum Progress: Hashable {
    case done
    case wantsRead
    case wantsWrite
    case failed(IOError)
  }

  /// Bytes that a record takes at most.
  static let recordByteCount = Int(SSL3_RT_MAX_PLAIN_LENGTH)

  private let session: OpaquePointer
  var socket: TLSSocket
  /// What a server's files gave when this began; `nil` at the side that dials.
  let serverEdition: TLSServerEdition?
  /// `nil` at the side that accepts.
  let clientContext: TLSClientContext?
  /// The host that was dialled; empty at the side that accepts.
  let host: String
  /// What a call of ``receive(into:)`` met after it had bytes to give.
  private var postponed: Descriptor.Transfer?
  private var mayHoldRecords = false
  /// Whether the last ``send(_:moreFollows:)`` stopped because part of a message of TLS itself has come, such as a
  /// KeyUpdate: nothing can be sent before the rest of it.
  private(set) var sendAwaitsInput = false

  /// The side that accepts.
  convenience init(server: TLSServerContext, fd: CInt) throws(IOError) {
    let edition = server.edition
    try self.init(edition.initial, fd: fd, edition: edition, client: nil, host: "")
    unsafe SSL_set_accept_state(session)
  }

  /// The side that dials `host`, a name or an address in numbers, and has the certificate prove it.
  convenience init(client: TLSClientContext, fd: CInt, host: String) throws(IOError) {
    try self.init(client.handle, fd: fd, edition: nil, client: client, host: host)
    unsafe SSL_set_connect_state(session)
    guard isSet(host: host) else { throw .invalidAddress(host) }
    if let ticket = client.takeTicket(for: host) { unsafe SSL_set_session(session, ticket.pointer) }
  }

  private init(
    _ context: TLSContextHandle, fd: CInt, edition: TLSServerEdition?, client: TLSClientContext?, host: String
  ) throws(IOError) {
    ERR_clear_error()
    guard let session = unsafe SSL_new(context.pointer) else { throw .tls(TLSLibrary.takeError()) }
    unsafe self.session = session
    socket = TLSSocket(fd: fd)
    serverEdition = edition
    clientContext = client
    self.host = host
    guard let bio = unsafe TLSSocket.makeBIO(for: self) else { throw .tls(TLSLibrary.takeError()) }
    unsafe SSL_set_bio(session, bio, bio)
  }

  private func isSet(host: String) -> Bool {
    if SocketAddress(host, port: 0) != nil {
      return unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host) == 1
    }
    unsafe SSL_set_hostflags(session, CUnsignedInt(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
    let isNameSet = unsafe SSL_set1_host(session, host) == 1
    let isIndicationSet = unsafe COpenSSL_SSL_set_tlsext_host_name(session, host) == 1
    return isNameSet && isIndicationSet
  }

  deinit { unsafe SSL_free(session) }

  /// The session that one of OpenSSL's belongs to, for the functions that it calls back.
  static func of(_ session: OpaquePointer) -> TLSSession? {
    unsafe SSL_get_rbio(session).flatMap { unsafe TLSSocket.session(of: $0) }
  }

  var ticketKeys: TLSTicketKeys? { serverEdition?.ticketKeys }

  /// Goes on with the handshake.
  func handshake() -> Progress {
    begin()
    let result = unsafe SSL_do_handshake(session)
    guard result != 1 else {
      mayHoldRecords = true
      // Without it, the keys of TLS 1.2 do not depend on the whole handshake (RFC 7627).
      let isBound = unsafe SSL_version(session) != TLS1_2_VERSION || COpenSSL_SSL_get_extms_support(session) == 1
      return isBound ? .done : .failed(.tls("the peer does not know the extended master secret"))
    }
    switch unsafe SSL_get_error(session, result) {
    case SSL_ERROR_WANT_READ: return .wantsRead
    case SSL_ERROR_WANT_WRITE: return .wantsWrite
    default: return .failed(takeFailure())
    }
  }

  /// Receives what is there, up to the size of `buffer`: several records, if they came together.
  ///
  /// When this gives bytes, ask ``hasPending`` whether to call again at once; otherwise wait for the socket.
  ///
  /// - Returns: `end` only after the peer has said that it ends. A stream that just stops is `connectionLost`.
  func receive(into buffer: UnsafeMutableRawBufferPointer) -> Descriptor.Transfer {
    if let postponed {
      self.postponed = nil
      return postponed
    }
    begin()
    mayHoldRecords = false
    var total = 0
    while total < buffer.count {
      var count = 0
      let result = unsafe SSL_read_ex(
        session, buffer.baseAddress.map { unsafe $0 + total }, buffer.count &- total, &count)
      guard result == 1 else {
        let outcome = outcome(of: result)
        if outcome == .wantsWrite { sendAwaitsInput = false }
        guard total > 0 else { return outcome }
        if outcome != .wouldBlock { postponed = outcome }
        return .count(total)
      }
      total &+= count
      if socket.isDrained, unsafe SSL_has_pending(session) == 0 { return .count(total) }
    }
    mayHoldRecords = true
    return .count(total)
  }

  /// Whether ``receive(into:)`` should be called again without waiting for the socket.
  var hasPending: Bool {
    if postponed != nil { return true }
    return unsafe mayHoldRecords && SSL_has_pending(session) == 1
  }

  /// Sends what it can of `bytes`, of which there is at least one.
  ///
  /// After `wouldBlock` or `wantsWrite` the next call must begin with the same bytes; where they lie may change.
  ///
  /// - Parameters:
  ///   - bytes: what to send.
  ///   - moreFollows: whether another call follows at once, and its bytes may share a segment with these.
  /// - Returns: how many bytes are on their way, or why none is.
  func send(_ bytes: UnsafeRawBufferPointer, moreFollows: Bool = false) -> Descriptor.Transfer {
    begin()
    sendAwaitsInput = false
    defer { socket.moreFollows = false }
    var total = 0
    while total < bytes.count {
      var count = 0
      let rest = bytes.count &- total
      socket.moreFollows = moreFollows || rest > Self.recordByteCount
      // It takes at most one record's worth.
      let result = unsafe SSL_write_ex(session, bytes.baseAddress.map { unsafe $0 + total }, rest, &count)
      guard result == 1 else {
        let outcome = outcome(of: result)
        if case .failed = outcome { return outcome }
        sendAwaitsInput = outcome == .wouldBlock
        return total > 0 ? .count(total) : outcome
      }
      total &+= count
    }
    return .count(total)
  }

  /// Tells the peer that nothing more comes from this side.
  ///
  /// - Returns: `wantsWrite` where this must be called again once the socket takes more.
  func closeNotify() -> Descriptor.Transfer {
    begin()
    let result = unsafe SSL_shutdown(session)
    // 0: the peer has not said the same yet.
    guard result < 0 else { return .end }
    return outcome(of: result) == .wantsWrite ? .wantsWrite : .end
  }

  /// The channel binding `tls-exporter` (RFC 9266 section 2): 32 bytes, the same at both ends and nowhere else.
  func exporter() -> [UInt8]? {
    let label = "EXPORTER-Channel-Binding"
    var bytes = [UInt8](repeating: 0, count: 32)
    let context: [UInt8] = [0]
    let result = unsafe SSL_export_keying_material(
      session, &bytes, bytes.count, label, label.utf8.count, context, 0, 1)
    return result == 1 ? bytes : nil
  }

  /// What the handshake agreed on.
  var parameters: ConnectionInfo.TLSParameters {
    let version = unsafe SSL_get_version(session).map { unsafe String(cString: $0) }
    let group = unsafe SSL_get0_group_name(session).map { unsafe String(cString: $0) }
    var name: UnsafePointer<UInt8>?
    var count: CUnsignedInt = 0
    unsafe SSL_get0_alpn_selected(session, &name, &count)
    let chosen = unsafe UnsafeBufferPointer(start: name, count: Int(count))
    return ConnectionInfo.TLSParameters(
      version: version ?? "", group: group ?? "",
      applicationProtocol: unsafe chosen.isEmpty ? nil : String(decoding: chosen, as: UTF8.self),
      isResumed: unsafe SSL_session_reused(session) == 1)
  }

  /// The peer's certificate, if it showed one and the handshake has verified it.
  func peerCertificate() -> PeerCertificate? {
    guard unsafe SSL_is_init_finished(session) == 1, unsafe SSL_get_verify_mode(session) & SSL_VERIFY_PEER != 0,
      unsafe SSL_get_verify_result(session) == CLong(X509_V_OK),
      let certificate = unsafe SSL_get0_peer_certificate(session)
    else { return nil }
    return unsafe PeerCertificate(verified: certificate)
  }

  // MARK: Errors

  private func begin() {
    ERR_clear_error()
    socket.begin()
  }

  private func outcome(of result: CInt) -> Descriptor.Transfer {
    switch unsafe SSL_get_error(session, result) {
    case SSL_ERROR_WANT_READ: .wouldBlock
    case SSL_ERROR_WANT_WRITE: .wantsWrite
    case SSL_ERROR_ZERO_RETURN: .end
    default: .failed(takeFailure())
    }
  }

  private func takeFailure() -> IOError {
    let reason = TLSLibrary.takeError()
    let verdict = unsafe SSL_get_verify_result(session)
    if verdict != CLong(X509_V_OK) {
      return .certificate(unsafe String(cString: X509_verify_cert_error_string(verdict)))
    }
    switch socket.errorNumber {
    case 0: return socket.hasEnded ? .connectionLost : .tls(reason)
    case ECONNRESET, EPIPE, ETIMEDOUT: return .connectionLost
    default: return .system(call: "TLS", errno: socket.errorNumber)
    }
  }
}
